#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trustwright_fuzz::run("certificate", data));
