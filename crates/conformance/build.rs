//! Tells the tests whether the recorded public data is there, so that those that read it are reported as
//! ignored where it is not.

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(shared_data)");
    println!("cargo::rerun-if-changed=build.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sigstore-bundles");
    if folder.is_dir() {
        println!("cargo::rustc-cfg=shared_data");
        // Only then: a path that is not there would have this run, and the crate be built, every time.
        println!("cargo::rerun-if-changed={}", folder.display());
    }
}
