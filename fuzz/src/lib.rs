//! Targets: a parser of foreign bytes each.

mod documents;
mod requests;
mod signatures;
mod webhook;

/// A parser, and what to begin with.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its file in `fuzz_targets/`.
    pub name: &'static str,
    /// Takes any bytes. Panics where it accepts what it must not.
    pub run: fn(&[u8]),
    /// Bytes that it accepts.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Whether `run` has accepted these bytes: every seed is, so that what is changed is what counts.
    pub accepts: fn(&[u8]) -> bool,
    /// Inputs of a short run in a second or so, unoptimised.
    pub short: usize,
}

macro_rules! targets {
    ($($name:ident: $module:ident, $short:literal;)*) => {
        /// All of them.
        pub const TARGETS: &[Target] = &[$(Target {
            name: stringify!($name),
            run: |data| { $module::$name::accepts(data); },
            seeds: $module::$name::seeds,
            accepts: $module::$name::accepts,
            short: $short,
        }),*];
    };
}

targets! {
    bundle: signatures, 300;
    dsse_envelope: signatures, 300;
    simple_signing: signatures, 600;
    certificate: signatures, 300;
    timestamp: signatures, 300;
    log_entry: signatures, 300;
    public_key: documents, 1500;
    authorities: documents, 600;
    trusted_root: documents, 150;
    tuf_archive: documents, 300;
    image_reference: documents, 6000;
    registry_manifest: documents, 3000;
    referrers: documents, 3000;
    www_authenticate: requests, 3000;
    cluster_image_policy: documents, 600;
    admission_review: requests, 600;
}

/// Runs the target of this name.
///
/// # Panics
///
/// Where there is none.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(data);
}
