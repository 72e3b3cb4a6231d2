//! Bytes of the fuzzer as numbers: mostly small ones, often those at which arithmetic breaks.
//!
//! When the bytes are used up, everything is 0.

use arbitrary::Unstructured;

/// Numbers at which something ends.
const EDGES: [i64; 14] = [
    0,
    1 << 8,
    1 << 12,
    1 << 15,
    1 << 16,
    1 << 24,
    1 << 30,
    i32::MAX as i64,
    i32::MIN as i64,
    -1,
    -(1 << 16),
    u32::MAX as i64,
    1 << 40,
    i64::MAX - 127,
];

/// A byte.
pub fn byte(u: &mut Unstructured<'_>) -> u8 {
    u.arbitrary().unwrap_or_default()
}

/// A number of which only the least are likely, and those beside an edge.
fn number(u: &mut Unstructured<'_>) -> i64 {
    match byte(u) {
        0..=127 => byte(u).into(),
        128..=159 => u.arbitrary::<u16>().unwrap_or_default().into(),
        choice @ 160..=229 => {
            EDGES[usize::from(choice) % EDGES.len()] + i64::from(u.arbitrary::<i8>().unwrap_or_default())
        }
        _ => u.arbitrary().unwrap_or_default(),
    }
}

/// A signed number; one that does not fit loses its upper bits.
pub fn int(u: &mut Unstructured<'_>) -> i32 {
    number(u) as i32
}

/// An unsigned number; one that does not fit loses its upper bits.
pub fn uint(u: &mut Unstructured<'_>) -> u32 {
    number(u) as u32
}

/// A long number; negative ones are very large.
pub fn long(u: &mut Unstructured<'_>) -> u64 {
    number(u) as u64
}

/// A number from 0 to `count` - 1, for `count` of at most 256; 0 if there are none.
pub fn pick(u: &mut Unstructured<'_>, count: usize) -> usize {
    usize::from(byte(u)) % count.max(1)
}
