//! See [`selkie_fuzz::pool_arithmetic`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selkie_fuzz::pool_arithmetic::run(data));
