//! Dma-bufs and their synchronisation.

mod add_after_create;
mod create_twice;
mod destroyed_while_shown;
mod device_for_a_dmabuf;
mod explicit_acquire_never_signalled;
mod explicit_acquire_waited_for;
mod explicit_memfd_for_a_timeline;
mod explicit_points_conflict;
mod explicit_release_signalled;
mod explicit_released_early;
mod explicit_shm_buffer;
mod explicit_surface_gone;
mod explicit_surface_twice;
mod explicit_timeline_destroyed;
mod explicit_without_acquire;
mod explicit_without_buffer;
mod explicit_without_release;
mod feedback_as_in_version_3;
mod feedback_complete;
mod feedback_of_a_surface;
mod feedback_table_of_others;
mod feedback_without_duplicates;
mod fence_never_signalled;
mod fence_waited_for;
mod file_for_a_dmabuf;
mod flags_unknown;
mod format_not_offered;
mod larger_than_its_memory;
mod many_buffers_of_one;
mod memfd_for_a_dmabuf;
mod modifier_not_offered;
mod modifiers_differ;
mod no_planes;
mod no_size;
mod offset_beyond_its_memory;
mod pages_taken_away;
mod parameters_cancelled;
mod parameters_kept;
mod pipe_for_a_dmabuf;
mod plane_added_twice;
mod plane_index_out_of_range;
mod plane_left_out;
mod released_once;
mod second_plane_beyond_its_memory;
mod shown;
mod shown_at_once;
mod size_without_end;
mod socket_for_a_dmabuf;
mod stride_too_small;
mod stride_without_end;
mod too_few_planes;
mod too_many_planes;

use crate::case::Case;

pub(super) const CASES: &[Case] = &[
    plane_index_out_of_range::CASE,
    plane_added_twice::CASE,
    create_twice::CASE,
    add_after_create::CASE,
    no_planes::CASE,
    plane_left_out::CASE,
    too_few_planes::CASE,
    too_many_planes::CASE,
    format_not_offered::CASE,
    modifier_not_offered::CASE,
    modifiers_differ::CASE,
    no_size::CASE,
    size_without_end::CASE,
    larger_than_its_memory::CASE,
    offset_beyond_its_memory::CASE,
    stride_too_small::CASE,
    stride_without_end::CASE,
    second_plane_beyond_its_memory::CASE,
    flags_unknown::CASE,
    memfd_for_a_dmabuf::CASE,
    file_for_a_dmabuf::CASE,
    pipe_for_a_dmabuf::CASE,
    device_for_a_dmabuf::CASE,
    socket_for_a_dmabuf::CASE,
    parameters_cancelled::CASE,
    parameters_kept::CASE,
    shown::CASE,
    shown_at_once::CASE,
    released_once::CASE,
    destroyed_while_shown::CASE,
    pages_taken_away::CASE,
    many_buffers_of_one::CASE,
    fence_waited_for::CASE,
    fence_never_signalled::CASE,
    explicit_surface_twice::CASE,
    explicit_memfd_for_a_timeline::CASE,
    explicit_surface_gone::CASE,
    explicit_shm_buffer::CASE,
    explicit_without_buffer::CASE,
    explicit_without_acquire::CASE,
    explicit_without_release::CASE,
    explicit_points_conflict::CASE,
    explicit_acquire_waited_for::CASE,
    explicit_acquire_never_signalled::CASE,
    explicit_release_signalled::CASE,
    explicit_released_early::CASE,
    explicit_timeline_destroyed::CASE,
    feedback_complete::CASE,
    feedback_without_duplicates::CASE,
    feedback_of_a_surface::CASE,
    feedback_as_in_version_3::CASE,
    feedback_table_of_others::CASE,
];
