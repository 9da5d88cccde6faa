//! Every fuzz target on changes of its seeds: the same ones each time, and few enough for every run of the tests. What
//! a target holds against its inputs stands in `fuzz/src`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(
    dead_code,
    unreachable_pub,
    clippy::pedantic,
    reason = "cargo-fuzz uses the rest, from its own workspace"
)]

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use targets::{TARGETS, Target};

/// What parsers trip over.
const PIECES: [&[u8]; 16] = [
    b"0",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"null",
    b"true",
    b"{}",
    b"[",
    b"[[[[[[[[",
    b"\"",
    b"\\u0000",
    b"\xff\xfe",
    b"\0",
    b"\r\n",
    b"-----BEGIN ",
    b"\x30\x84\xff\xff\xff\xff",
];

/// Xorshift: the same numbers for the same target.
struct Random(u64);

impl Random {
    fn of(name: &str) -> Self {
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn change(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(7) {
                0 => bytes.truncate(at),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                3 if !bytes.is_empty() => bytes[at] = b"09aAzZ{}[]\",:=+/-\x30\x80\xff"[self.below(20)],
                4 => drop(bytes.splice(at..at, PIECES[self.below(PIECES.len())].iter().copied())),
                5 => {
                    // A part of it again, somewhere else.
                    let length = self.below(64).min(bytes.len() - at);
                    let part = bytes[at..at + length].to_vec();
                    let to = self.below(bytes.len());
                    drop(bytes.splice(to..to, part));
                }
                _ => {
                    // The rest of another seed.
                    let other = &seeds[self.below(seeds.len())];
                    bytes.truncate(at);
                    bytes.extend(&other[at.min(other.len())..]);
                }
            }
        }
        bytes
    }
}

fn run(target: &Target) {
    let seeds = (target.seeds)();
    for (at, seed) in seeds.iter().enumerate() {
        assert!((target.accepts)(seed), "{}: seed {at} is not accepted", target.name);
    }
    (target.run)(&[]);
    let mut random = Random::of(target.name);
    let mut refused = 0;
    for _ in 0..target.short {
        if !(target.accepts)(&random.change(&seeds)) {
            refused += 1;
        }
    }
    // Changes that nothing notices would show nothing.
    assert!(refused * 10 > target.short, "{}: {refused} of {} refused", target.name, target.short);
}

macro_rules! short_runs {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(TARGETS.iter().find(|target| target.name == stringify!($name)).unwrap());
        })*

        #[test]
        fn every_target_has_a_short_run_and_a_file_for_the_fuzzer() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
            for name in names {
                let text = std::fs::read_to_string(folder.join(name).with_extension("rs")).unwrap();
                assert!(text.contains(&format!("run(\"{name}\"")), "{name}");
            }
        }
    };
}

short_runs! {
    bundle dsse_envelope simple_signing certificate timestamp log_entry public_key authorities trusted_root tuf_archive
    image_reference registry_manifest referrers www_authenticate cluster_image_policy admission_review
}
