//! What selkie is fuzzed with: the bodies of the targets, as functions of the bytes that the fuzzer found.
//!
//! | target | what it is about |
//! |---|---|
//! | [`requests`] | whatever a client says, the compositor goes on, serves others and keeps nothing of it |
//! | [`pool_arithmetic`] | where pixels lie: offsets, strides, sizes, crops and damage, against arithmetic without limits |
//! | [`verdict`] | what `shm_core::verdict` says of real memory, against a model of the manual pages |
//!
//! A body panics for a finding. `cargo test` in this directory runs them over the corpus, without a fuzzer.

#![deny(unsafe_code)]

pub mod memory;
pub mod numbers;
pub mod pool_arithmetic;
pub mod requests;
pub mod verdict;
