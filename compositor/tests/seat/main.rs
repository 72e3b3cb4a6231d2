//! The seat, as clients see it: a compositor in a thread, clients on socket pairs, and the exact
//! events they get for what a person does.

#![allow(clippy::unwrap_used)]

mod client;
mod clipboard;
mod cursor;
mod drag;
mod fixture;
mod keyboard;
mod others;
mod pointer;
