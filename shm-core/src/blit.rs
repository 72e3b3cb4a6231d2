//! Copying pictures: rows of bytes from memory that another process may write to memory of ours.
//!
//! A picture is larger than what a cache can keep until somebody looks at it. An ordinary store to memory that is in no
//! cache first reads it; a streaming store does not, and leaves the caches to those who need them. memcpy(3) uses
//! them only beyond a threshold that glibc computes from the size of the caches, and where that is told wrong (a virtual
//! machine here, 240 MB), never: a 1080p frame took 960 us with it and takes 490 us like this. What is small is likely to
//! be in a cache, and is left to memcpy.

/// From so many bytes in one rectangle on, stores go past the caches: damage comes in bands, of windows that
/// together are large.
const STREAM_FROM: usize = 32 << 10;
/// Rows shorter than this are mostly lines that are written in part.
const STREAM_ROW: usize = 512;

/// Copies `rows` rows of `row_bytes` bytes, `src_stride` bytes apart, to rows that are `dst_stride` bytes apart.
///
/// What was copied is visible to whoever is told of it later, in another thread or process.
///
/// # Safety
///
/// Each row must lie in memory that is mapped, readable at `src` and writable at `dst`; the two must not overlap, and no
/// Rust reference may exist to either. Other processes may write the source meanwhile: then it is not said what is copied of
/// what they write.
pub unsafe fn copy_rows(
    src: *const u8,
    src_stride: usize,
    dst: *mut u8,
    dst_stride: usize,
    row_bytes: usize,
    rows: usize,
) {
    let packed = src_stride == row_bytes && dst_stride == row_bytes;
    // All of it is mapped, so its length fits.
    let (row_bytes, rows) = if packed { (row_bytes * rows, 1) } else { (row_bytes, rows) };
    let streams = row_bytes >= STREAM_ROW && row_bytes.saturating_mul(rows) >= STREAM_FROM;
    for row in 0..rows {
        // SAFETY: row `row` of both is valid and they do not overlap, as the caller promises.
        unsafe {
            let (src, dst) = (src.add(row * src_stride), dst.add(row * dst_stride));
            if streams {
                stream(src, dst, row_bytes);
            } else {
                std::ptr::copy_nonoverlapping(src, dst, row_bytes);
            }
        }
    }
    if streams {
        fence();
    }
}

/// Copies `len` bytes past the caches; [`fence`] must follow.
///
/// # Safety
///
/// As [`std::ptr::copy_nonoverlapping`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
unsafe fn stream(src: *const u8, dst: *mut u8, len: usize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    use std::ptr::copy_nonoverlapping;

    // A line that is written in parts is read after all.
    const LINE: usize = 64;
    let head = dst.align_offset(LINE).min(len);
    let lines = (len - head) / LINE;
    let tail = head + lines * LINE;
    // SAFETY: head, lines and tail are the `len` bytes that are valid by the caller's promise. The lines of the target are
    // aligned to 64 bytes, which a streaming store wants; loads need no alignment.
    unsafe {
        copy_nonoverlapping(src, dst, head);
        let (mut from, mut to) = (src.add(head).cast::<__m128i>(), dst.add(head).cast::<__m128i>());
        for _ in 0..lines {
            let line = [0, 1, 2, 3].map(|i| _mm_loadu_si128(from.add(i)));
            for (i, part) in line.into_iter().enumerate() {
                _mm_stream_si128(to.add(i), part);
            }
            (from, to) = (from.add(4), to.add(4));
        }
        copy_nonoverlapping(src.add(tail), dst.add(tail), len - tail);
    }
}

/// Orders the streaming stores before all that follow: the processor does not do that by itself.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn fence() {
    // SAFETY: every x86-64 processor has it.
    unsafe { std::arch::x86_64::_mm_sfence() }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
unsafe fn stream(src: *const u8, dst: *mut u8, len: usize) {
    // SAFETY: as the caller promises.
    unsafe { std::ptr::copy_nonoverlapping(src, dst, len) }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn fence() {}

/// Asks for huge pages behind memory that is about to be filled: a picture then takes a few entries of the address
/// translation and not thousands, which is a quarter of the time to copy it. See `MADV_HUGEPAGE` in madvise(2).
///
/// A wish: where the kernel has none, or the memory is small, nothing happens.
pub fn prefer_huge_pages<T>(memory: &mut [T]) {
    let page = rustix::param::page_size();
    let (start, len) = (memory.as_mut_ptr().cast::<u8>(), std::mem::size_of_val(memory));
    // Only whole pages of it: what shares a page with it is not ours to advise on.
    let skipped = start.align_offset(page);
    let whole = len.saturating_sub(skipped) / page * page;
    if whole > 0 {
        // SAFETY: the range lies within `memory`, and the advice changes nothing that a program could see but time.
        let advised = unsafe {
            rustix::mm::madvise(start.add(skipped).cast(), whole, rustix::mm::Advice::LinuxHugepage)
        };
        // A kernel without huge pages says EINVAL.
        let _ = advised;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies rows at odd places and compares all of the target with what a loop over bytes does.
    fn check(at: (usize, usize), strides: (usize, usize), row_bytes: usize, rows: usize) {
        let source: Vec<u8> = (0..at.0 + strides.0 * rows + row_bytes).map(|i| (i * 7 % 251) as u8).collect();
        let mut target = vec![0xee; at.1 + strides.1 * rows + row_bytes + 64];
        let mut wanted = target.clone();
        for row in 0..rows {
            for i in 0..row_bytes {
                wanted[at.1 + row * strides.1 + i] = source[at.0 + row * strides.0 + i];
            }
        }
        // SAFETY: both vectors have room for all rows, and are borrowed no more until it is done.
        unsafe {
            let (src, dst) = (source.as_ptr().add(at.0), target.as_mut_ptr().add(at.1));
            copy_rows(src, strides.0, dst, strides.1, row_bytes, rows);
        }
        assert!(target == wanted, "{at:?} {strides:?} {row_bytes} x {rows}");
    }

    #[test]
    fn every_alignment_and_length_is_copied_exactly() {
        for shift in [0, 1, 4, 15, 16, 60, 63] {
            for row_bytes in [1024, 1028, 1087, 4] {
                let rows = (STREAM_FROM / row_bytes + 1).min(200);
                check((shift, 0), (1100, 1200), row_bytes, rows);
                check((4, shift), (1100, 1200), row_bytes, rows);
            }
        }
    }

    #[test]
    fn packed_rows_are_one() {
        check((3, 5), (1024, 1024), 1024, STREAM_FROM / 1024 + 1);
        check((0, 0), (64, 64), 64, 1);
    }

    #[test]
    fn nothing_is_copied_of_nothing() {
        check((0, 0), (16, 16), 0, 4);
        check((0, 0), (16, 16), 16, 0);
    }

    #[test]
    fn the_wish_for_huge_pages_leaves_memory_as_it_is() {
        let mut memory = vec![7_u32; 3 << 20];
        prefer_huge_pages(&mut memory);
        prefer_huge_pages(&mut memory[..1]);
        prefer_huge_pages::<u32>(&mut []);
        assert!(memory.iter().all(|word| *word == 7));
    }
}
