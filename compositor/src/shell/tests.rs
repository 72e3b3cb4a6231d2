//! xdg_shell as a client sees it.

mod errors;
mod popups;
mod random;
mod windows;
