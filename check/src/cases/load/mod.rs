//! Too much of everything, and what is left afterwards.

mod big_and_small_windows;
mod connections_at_once;
mod connections_come_and_go;
mod fds_nobody_takes;
mod fds_to_the_limit;
mod flood_of_binds;
mod flood_of_commits;
mod flood_without_end;
mod frames_unread;
mod garbage;
mod half_a_message;
mod half_a_request_with_an_fd;
mod killed_at_each_request;
mod killed_at_random;
mod message_longer_than_any;
mod message_of_size_zero;
mod object_number_far_ahead;
mod pools_of_one_memory;
mod region_of_many_rectangles;
mod registries_unread;
mod requests_to_nobody;
mod string_longer_than_its_message;
mod string_missing;
mod subsurfaces_in_a_chain;
mod subsurfaces_side_by_side;
mod syncs_unread;
mod thousands_of_buffers;
mod thousands_of_feedbacks;
mod thousands_of_frame_callbacks;
mod thousands_of_pools;
mod thousands_of_regions;
mod thousands_of_surfaces;

use crate::case::Case;

pub(super) const CASES: &[Case] = &[
    thousands_of_pools::CASE,
    pools_of_one_memory::CASE,
    fds_to_the_limit::CASE,
    thousands_of_buffers::CASE,
    thousands_of_surfaces::CASE,
    thousands_of_regions::CASE,
    region_of_many_rectangles::CASE,
    thousands_of_frame_callbacks::CASE,
    thousands_of_feedbacks::CASE,
    subsurfaces_in_a_chain::CASE,
    subsurfaces_side_by_side::CASE,
    fds_nobody_takes::CASE,
    syncs_unread::CASE,
    registries_unread::CASE,
    frames_unread::CASE,
    half_a_message::CASE,
    half_a_request_with_an_fd::CASE,
    message_of_size_zero::CASE,
    message_longer_than_any::CASE,
    string_longer_than_its_message::CASE,
    string_missing::CASE,
    garbage::CASE,
    requests_to_nobody::CASE,
    object_number_far_ahead::CASE,
    connections_come_and_go::CASE,
    connections_at_once::CASE,
    killed_at_each_request::CASE,
    killed_at_random::CASE,
    flood_of_commits::CASE,
    big_and_small_windows::CASE,
    flood_of_binds::CASE,
    flood_without_end::CASE,
];
