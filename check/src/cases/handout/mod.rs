//! Memory that the compositor hands out.

mod capture_buffer;
mod capture_into_cut_off_memory;
mod capture_into_read_only_memory;
mod capture_into_smaller_buffer;
mod capture_into_write_sealed_memory;
mod capture_stays_in_its_buffer;
mod capture_twice_with_one_frame;
mod capture_while_memory_shrinks;
mod keyboards_come_and_go;
mod keymap_for_each_keyboard;
mod keymap_not_cut_off_for_others;
mod keymap_not_writable_for_others;
mod keymap_shared_for_old_clients;
mod keymap_size;
mod keymap_text;

use crate::case::Case;

pub(super) const CASES: &[Case] = &[
    keymap_size::CASE,
    keymap_text::CASE,
    keymap_shared_for_old_clients::CASE,
    keymap_for_each_keyboard::CASE,
    keymap_not_writable_for_others::CASE,
    keymap_not_cut_off_for_others::CASE,
    keyboards_come_and_go::CASE,
    capture_buffer::CASE,
    capture_stays_in_its_buffer::CASE,
    capture_into_write_sealed_memory::CASE,
    capture_into_read_only_memory::CASE,
    capture_into_cut_off_memory::CASE,
    capture_while_memory_shrinks::CASE,
    capture_into_smaller_buffer::CASE,
    capture_twice_with_one_frame::CASE,
];
