//! The little DER (X.690) that is needed where parsed forms have lost the bytes.

/// Tag of a SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// Tag of an OBJECT IDENTIFIER.
pub(crate) const OID: u8 = 0x06;
/// Tag of an OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// Tag of a `UTF8String`.
pub(crate) const UTF8_STRING: u8 = 0x0c;
/// Tag of a `GeneralizedTime`.
pub(crate) const GENERALIZED_TIME: u8 = 0x18;

/// Tag of an explicit or constructed context-specific element.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// One element: its tag, its content, and all of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Reads one element and returns what follows it. `None` where `input` does not start with one: tags of several
/// bytes and indefinite lengths are not read, which DER and the structures read here do without.
pub(crate) fn read(input: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let (bytes, after) = rest.split_at_checked(count)?;
        rest = after;
        bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte))
    };
    let (content, after) = rest.split_at_checked(length)?;
    let whole = input.get(..input.len() - after.len())?;
    Some((Element { tag, content, whole }, after))
}

/// Reads the one element that `input` consists of.
pub(crate) fn only(input: &[u8], tag: u8) -> Option<Element<'_>> {
    read(input).filter(|(element, rest)| rest.is_empty() && element.tag == tag).map(|(element, _)| element)
}

/// Reads the elements that `content` consists of; `None` where it is not made of whole ones.
pub(crate) fn elements(mut content: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    while !content.is_empty() {
        let (element, rest) = read(content)?;
        elements.push(element);
        content = rest;
    }
    Some(elements)
}

/// Writes an element.
pub(crate) fn write(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let bytes = content.len().to_be_bytes();
    let significant = bytes.iter().position(|byte| *byte != 0).map_or(&[][..], |at| &bytes[at..]);
    match significant {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_at_every_length() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7; length];
            let written = write(OCTET_STRING, &content);
            let element = only(&written, OCTET_STRING).unwrap();
            assert_eq!(element.content, content);
            assert_eq!(element.whole, written);
            assert_eq!(only(&written, SEQUENCE), None);
            assert_eq!(read(&written[..written.len() - 1]), None, "{length}");
        }
    }

    #[test]
    fn lengths_that_are_not_der_are_not_read() {
        for bytes in [&[0x30][..], &[0x30, 0x80, 0, 0], &[0x30, 0x85, 0, 0, 0, 0, 0], &[0x30, 0x82, 1]] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
        assert_eq!(elements(&[0x04, 0, 0x04, 1]), None);
        assert_eq!(elements(&[0x04, 0, 0x04, 0]).unwrap().len(), 2);
    }
}
