//! How the evaluator's code is made and run. The program that compiles it (`crates/languages/compiler`) reads this
//! file too: wasmtime refuses code that was made otherwise.

use wasmtime::Config;

/// The most that one evaluation puts on the stack of its thread. Nested documents and policies need it; what needs
/// more breaks off with a trap.
const STACK_BYTES: usize = 2 << 20;

/// The configuration of compiler and host.
pub(super) fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES)
        // Nobody reads where in the evaluator a trap was; what says so would only make the file larger.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false);
    config
}
