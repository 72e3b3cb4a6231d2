//! What `zwp_linux_dmabuf_feedback_v1` says, put together.

use std::os::fd::OwnedFd;

use rustix::fs::fstat;
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_feedback_v1::{
    Event, ZwpLinuxDmabufFeedbackV1,
};

use crate::case::Stop;
use crate::client::Client;
use crate::memory::cannot;

/// Bytes of an entry of the table.
const ENTRY: usize = 16;

/// Formats that are equally good.
#[derive(Debug)]
pub struct Tranche {
    /// How often a device was named, and its bytes.
    pub devices: Vec<Vec<u8>>,
    /// How often flags were sent.
    pub flags: usize,
    /// The pairs of format and modifier.
    pub pairs: Vec<(u32, u64)>,
}

/// One whole batch.
#[derive(Debug)]
pub struct Feedback {
    /// The main device's bytes, as often as it was named.
    pub main: Vec<Vec<u8>>,
    /// The tranches.
    pub tranches: Vec<Tranche>,
    /// The file with the table.
    pub table: OwnedFd,
    /// The table's size.
    pub size: u32,
}

impl Feedback {
    /// Waits for the first whole batch of an object, and checks that it can be read.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if it makes no sense; as [`Client::wait`].
    pub fn first(client: &mut Client, object: &ZwpLinuxDmabufFeedbackV1) -> Result<Feedback, Stop> {
        // Its first events are answers to the request, so they come before that of a sync.
        client.roundtrip()?;
        let events = client.of(object);
        let end = events.iter().position(|event| matches!(event, Event::Done));
        let end = end.ok_or_else(|| Stop::fail("zwp_linux_dmabuf_feedback_v1.done at once", "none"))?;
        let events = events.get(..end).unwrap_or_default();
        let table = events.iter().find_map(|event| match event {
            Event::FormatTable { fd, size } => Some((fd, *size)),
            _ => None,
        });
        let (fd, size) = table.ok_or_else(|| Stop::fail("a format table before done", "none"))?;
        let table = fd.try_clone().map_err(cannot("copy an fd"))?;
        let bytes = read(&table, size)?;
        let (mut main, mut tranches) = (Vec::new(), Vec::new());
        let (mut devices, mut flags, mut pairs) = (Vec::new(), 0, Vec::new());
        for event in events {
            match event {
                Event::MainDevice { device } => main.push(device.clone()),
                Event::TrancheTargetDevice { device } => devices.push(device.clone()),
                Event::TrancheFlags { .. } => flags += 1,
                Event::TrancheFormats { indices } => {
                    for index in indices.chunks(2) {
                        pairs.push(pair(&bytes, index)?);
                    }
                }
                Event::TrancheDone => {
                    let (devices, pairs) = (std::mem::take(&mut devices), std::mem::take(&mut pairs));
                    tranches.push(Tranche { devices, flags: std::mem::take(&mut flags), pairs });
                }
                _ => {}
            }
        }
        if !devices.is_empty() || !pairs.is_empty() {
            return Err(Stop::fail("tranche_done after each tranche", "done in the middle of one"));
        }
        Ok(Feedback { main, tranches, table, size })
    }

    /// All pairs, without order and each once.
    pub fn pairs(&self) -> Vec<(u32, u64)> {
        let mut all: Vec<_> = self.tranches.iter().flat_map(|tranche| tranche.pairs.clone()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The bytes of a table.
///
/// # Errors
///
/// [`Stop::Fail`] if the file does not have them.
pub fn read(table: &OwnedFd, size: u32) -> Result<Vec<u8>, Stop> {
    let has = fstat(table).map_err(cannot("ask for a file's size"))?.st_size;
    if has < i64::from(size) {
        return Err(Stop::fail(format_args!("a table of {size} bytes"), format_args!("a file of {has}")));
    }
    let mut bytes = vec![0; size as usize];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match rustix::io::pread(table, rest, done as u64) {
            Ok(n @ 1..) => done += n,
            other => return Err(Stop::fail("a table that can be read", format_args!("{other:?}"))),
        }
    }
    Ok(bytes)
}

fn pair(table: &[u8], index: &[u8]) -> Result<(u32, u64), Stop> {
    let Ok(index) = <[u8; 2]>::try_from(index) else {
        return Err(Stop::fail("indices of 2 bytes", "an odd number of bytes"));
    };
    let index = usize::from(u16::from_ne_bytes(index));
    let entry = table.get(index * ENTRY..(index + 1) * ENTRY).and_then(|entry| {
        let format = entry.get(..4)?.try_into().ok()?;
        Some((u32::from_ne_bytes(format), u64::from_ne_bytes(entry.get(8..)?.try_into().ok()?)))
    });
    let entries = table.len() / ENTRY;
    entry.ok_or_else(|| {
        Stop::fail(format_args!("indices below {entries}, as the table has"), format_args!("{index}"))
    })
}
