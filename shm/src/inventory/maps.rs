//! Lines of `/proc/PID/maps`, `proc_pid_maps(5)`.
//!
//! Read as bytes, since a path can be anything: a reader that insists on UTF-8 is blind to every mapping of a process that
//! has mapped one file with another name.

use super::Device;

/// A mapping of something that has a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub start: u64,
    pub end: u64,
    pub access: &'a str,
    pub device: Device,
    pub inode: u64,
    pub path: &'a [u8],
}

/// The mappings that have a path, as files have (and `[heap]` has not).
pub(super) fn with_path(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    text.split(|byte| *byte == b'\n').filter_map(parse)
}

fn parse(line: &[u8]) -> Option<Line<'_>> {
    // The other parts are numbers, so the first slash begins the path. Most mappings have none.
    let slash = line.iter().position(|byte| *byte == b'/')?;
    let (head, path) = line.split_at(slash);
    let mut fields = std::str::from_utf8(head).ok()?.split_ascii_whitespace();
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = fields.next()?.split_once('-')?;
    let access = fields.next()?;
    let _offset = fields.next()?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let small = |text: &str| u32::from_str_radix(text, 16).ok();
    let device = Device { major: small(major)?, minor: small(minor)? };
    let inode = fields.next()?.parse().ok()?;
    // An `[anon:a/b]` has a slash as well.
    if fields.next().is_some() {
        return None;
    }
    Some(Line { start: hex(start)?, end: hex(end)?, access, device, inode, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_has_a_path() {
        let text = b"55b0ce3bd000-55b0ce56d000 rw-p 00000000 00:00 0                          [heap]\n\
            7fa9b31fd000-7fa9b3330000 rw-p 00000000 00:00 0 \n\
            7fa9b3200000-7fa9b3300000 rw-p 00000000 00:00 0                          [anon:a/b]\n\
            7fa9b3fbc000-7fa9b3fbe000 rw-s 00000000 00:01 0                          /SYSV01234567 (deleted)\n\
            7fa9b4040000-7fa9b4041000 r--p 00001000 fe:1b 24330                      /dev/shm/\xff a (deleted)\n\
            junk /x\n";
        let lines: Vec<_> = with_path(text).collect();
        let segment = Line {
            start: 0x7fa9_b3fb_c000,
            end: 0x7fa9_b3fb_e000,
            access: "rw-s",
            device: Device { major: 0, minor: 1 },
            inode: 0,
            path: b"/SYSV01234567 (deleted)",
        };
        let object = Line {
            start: 0x7fa9_b404_0000,
            end: 0x7fa9_b404_1000,
            access: "r--p",
            device: Device { major: 0xfe, minor: 0x1b },
            inode: 24330,
            path: b"/dev/shm/\xff a (deleted)",
        };
        assert_eq!(lines, [segment, object]);
    }
}
