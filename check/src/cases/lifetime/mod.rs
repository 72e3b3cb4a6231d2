//! When pools and buffers come and go, and when the client is told.

mod all_destroyed_while_shown;
mod attach_replaced;
mod buffer_before_configure;
mod buffer_destroyed_after_commit;
mod buffer_destroyed_before_commit;
mod buffer_destroyed_then_commit;
mod buffer_numbers_are_free_again;
mod callback_numbers_are_free_again;
mod client_gone_mid_frame;
mod client_gone_mid_request;
mod contents_stay_after_release;
mod frame_callback_not_committed;
mod frame_callback_once;
mod frame_callback_without_damage;
mod frame_callbacks_in_order;
mod frame_callbacks_of_one_commit;
mod get_release_of_destroyed_buffer;
mod get_release_of_destroyed_surface;
mod get_release_on_two_surfaces;
mod get_release_once;
mod get_release_superseded;
mod get_release_without_buffer;
mod number_used_again;
mod pool_and_one_of_two_destroyed;
mod pool_destroyed_first;
mod pool_destroyed_while_shown;
mod presentation_asked_twice;
mod presentation_not_committed;
mod presentation_of_destroyed_surface;
mod presentation_of_several_commits;
mod presentation_once;
mod released_after_null;
mod released_early;
mod released_early_when_replaced;
mod released_when_replaced;
mod same_buffer_on_two_surfaces;
mod same_buffer_twice;
mod shown_again_after_null;
mod surface_destroyed;
mod surface_destroyed_uncommitted;
mod swap_two_buffers;
mod synchronised_buffer_destroyed;
mod synchronised_destroyed;
mod synchronised_replaced;
mod synchronised_waits;
mod uncommitted_never_released;

use crate::case::Case;

pub(super) const CASES: &[Case] = &[
    pool_destroyed_first::CASE,
    pool_destroyed_while_shown::CASE,
    pool_and_one_of_two_destroyed::CASE,
    buffer_destroyed_before_commit::CASE,
    buffer_destroyed_after_commit::CASE,
    buffer_destroyed_then_commit::CASE,
    all_destroyed_while_shown::CASE,
    contents_stay_after_release::CASE,
    surface_destroyed::CASE,
    surface_destroyed_uncommitted::CASE,
    attach_replaced::CASE,
    uncommitted_never_released::CASE,
    released_when_replaced::CASE,
    released_after_null::CASE,
    shown_again_after_null::CASE,
    same_buffer_twice::CASE,
    same_buffer_on_two_surfaces::CASE,
    swap_two_buffers::CASE,
    released_early::CASE,
    released_early_when_replaced::CASE,
    frame_callback_once::CASE,
    frame_callbacks_in_order::CASE,
    frame_callbacks_of_one_commit::CASE,
    frame_callback_not_committed::CASE,
    frame_callback_without_damage::CASE,
    callback_numbers_are_free_again::CASE,
    buffer_numbers_are_free_again::CASE,
    number_used_again::CASE,
    presentation_once::CASE,
    presentation_of_several_commits::CASE,
    presentation_asked_twice::CASE,
    presentation_of_destroyed_surface::CASE,
    presentation_not_committed::CASE,
    synchronised_replaced::CASE,
    synchronised_waits::CASE,
    synchronised_buffer_destroyed::CASE,
    synchronised_destroyed::CASE,
    get_release_once::CASE,
    get_release_superseded::CASE,
    get_release_without_buffer::CASE,
    get_release_on_two_surfaces::CASE,
    get_release_of_destroyed_surface::CASE,
    get_release_of_destroyed_buffer::CASE,
    client_gone_mid_frame::CASE,
    client_gone_mid_request::CASE,
    buffer_before_configure::CASE,
];
