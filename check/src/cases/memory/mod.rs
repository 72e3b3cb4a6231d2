//! What is shared: kinds of memory, seals, sizes, and their changes.

mod claims_two_gibibytes;
mod closed_pipe;
mod dev_null;
mod dev_zero;
mod directory;
mod empty_file;
mod epoll;
mod eventfd;
mod file_grows_while_shown;
mod file_in_runtime_directory;
mod file_of_a_silent_owner;
mod grown_file_without_resize;
mod hole_punched;
mod holes_punched_during_commits;
mod hugetlb_punched;
mod hugetlb_sealed;
mod large_buffer_of_holes;
mod larger_than_claimed;
mod many_pools_on_one_memory;
mod memfd_that_cannot_be_sealed;
mod o_path_fd;
mod one_memory_two_sizes;
mod pages_never_touched;
mod pipe;
mod posix_shared_memory;
mod read_only_fd;
mod read_only_fd_of_unsealed_memory;
mod resize_after_a_buffer_is_destroyed;
mod resize_after_write_seal;
mod resize_and_use_the_new_part;
mod resize_before_the_file_grows;
mod resize_between_attach_and_commit;
mod resize_into_what_was_there;
mod resize_keeps_old_buffers;
mod resize_many_times;
mod resize_past_sealed_file;
mod resize_past_unsealed_file;
mod resize_to_a_negative_size;
mod resize_to_half;
mod resize_to_the_same_size;
mod resize_to_zero;
mod sealed_after_the_pool;
mod sealed_against_execution;
mod sealed_against_growing_too;
mod sealed_against_new_writers;
mod sealed_against_shrinking_only;
mod sealed_against_writing;
mod sealed_but_for_shrinking;
mod sealed_but_shorter_than_claimed;
mod sealed_memfd;
mod shorter_than_claimed;
mod shrink_after_commit;
mod shrink_and_grow_back;
mod shrink_before_first_commit;
mod shrink_between_attach_and_commit;
mod shrink_during_commits;
mod shrink_in_part;
mod shrink_while_shown;
mod size_of_no_whole_pages;
mod socket;
mod two_clients_share_one_memory;
mod unlinked_file_in_tmp;
mod unsealed_memfd;
mod write_only_fd;
mod write_sealed_while_shown;

use crate::case::Case;

pub(super) const CASES: &[Case] = &[
    sealed_memfd::CASE,
    sealed_against_shrinking_only::CASE,
    sealed_against_growing_too::CASE,
    sealed_against_execution::CASE,
    sealed_against_writing::CASE,
    sealed_against_new_writers::CASE,
    sealed_but_for_shrinking::CASE,
    unsealed_memfd::CASE,
    memfd_that_cannot_be_sealed::CASE,
    posix_shared_memory::CASE,
    file_in_runtime_directory::CASE,
    unlinked_file_in_tmp::CASE,
    read_only_fd::CASE,
    read_only_fd_of_unsealed_memory::CASE,
    write_only_fd::CASE,
    o_path_fd::CASE,
    pipe::CASE,
    closed_pipe::CASE,
    socket::CASE,
    directory::CASE,
    dev_null::CASE,
    dev_zero::CASE,
    eventfd::CASE,
    epoll::CASE,
    shorter_than_claimed::CASE,
    sealed_but_shorter_than_claimed::CASE,
    empty_file::CASE,
    claims_two_gibibytes::CASE,
    larger_than_claimed::CASE,
    size_of_no_whole_pages::CASE,
    shrink_before_first_commit::CASE,
    shrink_between_attach_and_commit::CASE,
    shrink_in_part::CASE,
    shrink_and_grow_back::CASE,
    shrink_during_commits::CASE,
    shrink_while_shown::CASE,
    hole_punched::CASE,
    holes_punched_during_commits::CASE,
    pages_never_touched::CASE,
    large_buffer_of_holes::CASE,
    file_grows_while_shown::CASE,
    grown_file_without_resize::CASE,
    resize_and_use_the_new_part::CASE,
    resize_keeps_old_buffers::CASE,
    resize_between_attach_and_commit::CASE,
    resize_many_times::CASE,
    resize_after_a_buffer_is_destroyed::CASE,
    resize_to_the_same_size::CASE,
    resize_into_what_was_there::CASE,
    resize_to_half::CASE,
    resize_to_zero::CASE,
    resize_to_a_negative_size::CASE,
    resize_past_unsealed_file::CASE,
    resize_before_the_file_grows::CASE,
    many_pools_on_one_memory::CASE,
    one_memory_two_sizes::CASE,
    two_clients_share_one_memory::CASE,
    sealed_after_the_pool::CASE,
    write_sealed_while_shown::CASE,
    resize_after_write_seal::CASE,
    hugetlb_sealed::CASE,
    hugetlb_punched::CASE,
    file_of_a_silent_owner::CASE,
    shrink_after_commit::CASE,
    resize_past_sealed_file::CASE,
];
