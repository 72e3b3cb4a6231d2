//! See [`selkie_fuzz::requests`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| selkie_fuzz::requests::run(data));
