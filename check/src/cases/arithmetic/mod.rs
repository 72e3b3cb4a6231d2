//! Numbers at and beyond every edge.

mod attach_extreme;
mod attach_offset;
mod behind_others;
mod column_very_tall;
mod damage_buffer_extreme;
mod damage_extreme;
mod damage_negative;
mod end_beyond_pool;
mod end_one_byte_beyond_pool;
mod end_wraps;
mod ends_with_pool;
mod format_as_fourcc;
mod format_at_smallest_stride;
mod format_not_offered;
mod format_unknown;
mod formats_for_all;
mod geometry_empty;
mod geometry_extreme;
mod height_highest;
mod height_negative;
mod height_zero;
mod last_row_short;
mod max_size_negative;
mod min_size_above_max;
mod min_size_negative;
mod offset_at_end;
mod offset_extreme;
mod offset_highest;
mod offset_lowest;
mod offset_negative;
mod offset_odd;
mod offset_of_odd_words;
mod one_pixel;
mod pool_of_highest_size;
mod pool_of_lowest_size;
mod pool_of_negative_size;
mod pool_of_no_bytes;
mod positioner_anchor_negative;
mod positioner_extreme;
mod positioner_size_empty;
mod product_wraps_to_little;
mod product_wraps_to_zero;
mod region_extreme;
mod region_negative;
mod row_very_wide;
mod scale_does_not_divide;
mod scale_highest;
mod scale_lowest;
mod scale_negative;
mod scale_zero;
mod stride_counts_pixels;
mod stride_highest;
mod stride_lowest;
mod stride_negative;
mod stride_odd;
mod stride_of_odd_words;
mod stride_one_byte_short;
mod stride_very_long;
mod stride_with_padding;
mod stride_zero;
mod subsurface_far_away;
mod transform_unknown;
mod viewport_beyond_buffer;
mod viewport_beyond_by_fraction;
mod viewport_destination_bad;
mod viewport_destination_highest;
mod viewport_source_bad;
mod viewport_source_fraction;
mod viewport_source_highest;
mod width_highest;
mod width_negative;
mod width_wraps;
mod width_zero;

use crate::case::Case;

pub(super) const CASES: &[Case] = &[
    pool_of_no_bytes::CASE,
    pool_of_negative_size::CASE,
    pool_of_lowest_size::CASE,
    pool_of_highest_size::CASE,
    offset_negative::CASE,
    offset_lowest::CASE,
    offset_highest::CASE,
    offset_at_end::CASE,
    end_beyond_pool::CASE,
    end_one_byte_beyond_pool::CASE,
    end_wraps::CASE,
    width_zero::CASE,
    width_negative::CASE,
    width_highest::CASE,
    width_wraps::CASE,
    height_zero::CASE,
    height_negative::CASE,
    height_highest::CASE,
    stride_zero::CASE,
    stride_negative::CASE,
    stride_lowest::CASE,
    stride_highest::CASE,
    product_wraps_to_zero::CASE,
    product_wraps_to_little::CASE,
    stride_one_byte_short::CASE,
    stride_counts_pixels::CASE,
    stride_odd::CASE,
    offset_odd::CASE,
    row_very_wide::CASE,
    column_very_tall::CASE,
    stride_very_long::CASE,
    last_row_short::CASE,
    ends_with_pool::CASE,
    behind_others::CASE,
    one_pixel::CASE,
    stride_with_padding::CASE,
    stride_of_odd_words::CASE,
    offset_of_odd_words::CASE,
    format_unknown::CASE,
    format_as_fourcc::CASE,
    format_not_offered::CASE,
    formats_for_all::CASE,
    format_at_smallest_stride::CASE,
    damage_extreme::CASE,
    damage_buffer_extreme::CASE,
    damage_negative::CASE,
    attach_extreme::CASE,
    attach_offset::CASE,
    offset_extreme::CASE,
    scale_zero::CASE,
    scale_negative::CASE,
    scale_lowest::CASE,
    scale_does_not_divide::CASE,
    scale_highest::CASE,
    transform_unknown::CASE,
    region_extreme::CASE,
    region_negative::CASE,
    viewport_source_bad::CASE,
    viewport_destination_bad::CASE,
    viewport_source_fraction::CASE,
    viewport_beyond_buffer::CASE,
    viewport_beyond_by_fraction::CASE,
    viewport_source_highest::CASE,
    viewport_destination_highest::CASE,
    subsurface_far_away::CASE,
    geometry_empty::CASE,
    geometry_extreme::CASE,
    min_size_negative::CASE,
    max_size_negative::CASE,
    min_size_above_max::CASE,
    positioner_size_empty::CASE,
    positioner_anchor_negative::CASE,
    positioner_extreme::CASE,
];
