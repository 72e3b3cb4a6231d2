//! See [`selkie_fuzz::verdict`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selkie_fuzz::verdict::run(data));
