//! The kernel's table of System V segments, as `ipcs -m` shows it.
//!
//! Read here and not by the crate procfs, whose table of segments holds user numbers of 16 bits: it knows no segment at all where
//! one belongs to a user of a container.

use std::fs;
use std::io;

use super::InventoryError;

/// `SHM_DEST`: removed, and gone when the last process detaches it.
const REMOVED: u32 = 0o1000;

/// A line of `/proc/sysvipc/shm`, `proc_sysvipc(5)`, `shmctl(2)`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub key: u32,
    pub id: u64,
    pub mode: u32,
    pub removed: bool,
    pub size: u64,
    pub creator: i32,
    pub attached: u64,
    pub uid: u32,
    pub resident: u64,
    pub swapped: u64,
}

/// The segments of our IPC namespace; none on a kernel without System V IPC.
pub(super) fn segments() -> Result<Vec<Segment>, InventoryError> {
    match fs::read_to_string("/proc/sysvipc/shm") {
        Ok(text) => Ok(text.lines().skip(1).filter_map(parse).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(InventoryError::Sysv(error)),
    }
}

fn parse(line: &str) -> Option<Segment> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let &[
        key,
        id,
        mode,
        size,
        creator,
        _last,
        attached,
        uid,
        _gid,
        _cuid,
        _cgid,
        _atime,
        _dtime,
        _ctime,
        rss,
        swap,
        ..,
    ] = fields.as_slice()
    else {
        return None;
    };
    let mode = u32::from_str_radix(mode, 8).ok()?;
    Some(Segment {
        key: key.parse::<i32>().ok()?.cast_unsigned(),
        id: id.parse().ok()?,
        mode: mode & 0o777,
        removed: mode & REMOVED != 0,
        size: size.parse().ok()?,
        creator: creator.parse().ok()?,
        attached: attached.parse().ok()?,
        uid: uid.parse().ok()?,
        resident: rss.parse().ok()?,
        swapped: swap.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_table_of_segments() {
        let line = "-559038737          3  1640                  5000 32459 32459      2 165536   100     0     0 \
                    1795275044          0 1795275044                  8192                  4096";
        let expected = Segment {
            key: 0xdead_beef,
            id: 3,
            mode: 0o640,
            removed: true,
            size: 5000,
            creator: 32459,
            attached: 2,
            uid: 165_536,
            resident: 8192,
            swapped: 4096,
        };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(parse(""), None);
        assert_eq!(parse("1 2 3"), None);
    }
}
