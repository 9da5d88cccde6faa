//! The smallest layer: a tar archive of one file.

use anyhow::{Context, Result};

const BLOCK: usize = 512;

/// Returns a POSIX tar archive with one file, owned by root, from 1970.
pub(super) fn single_file(name: &str, content: &[u8]) -> Result<Vec<u8>> {
    let mut header = [0_u8; BLOCK];
    put(&mut header, 0, name.as_bytes())?;
    put(&mut header, 100, b"0000644\0")?;
    put(&mut header, 108, b"0000000\0")?;
    put(&mut header, 116, b"0000000\0")?;
    put(&mut header, 124, format!("{:011o}\0", content.len()).as_bytes())?;
    put(&mut header, 136, b"00000000000\0")?;
    put(&mut header, 148, b"        ")?;
    put(&mut header, 156, b"0")?;
    put(&mut header, 257, b"ustar\x0000")?;
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    put(&mut header, 148, format!("{sum:06o}\0 ").as_bytes())?;

    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    Ok(archive)
}

fn put(header: &mut [u8; BLOCK], at: usize, field: &[u8]) -> Result<()> {
    let place = header.get_mut(at..at + field.len()).context("a field does not fit a tar header")?;
    place.copy_from_slice(field);
    Ok(())
}
