//! The compositor's record of every client, pool, buffer and frame.
//!
//! What a table at the end needs is kept in memory, a line per client; everything else goes to the
//! report as it happens and is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::buffer::fourcc::{fourcc_name, modifier_name};
use crate::buffer::{Buffer, DmaImage, Facts, Path, Policy, Pool, Refusal};
use crate::client::ClientState;
use crate::report::{Event, PlaneLine, Report};
use crate::surface::{SurfaceId, Surfaces};

/// Clients that are gone are remembered until there are that many.
const REMEMBERED: usize = 1024;

/// What became of one client.
#[derive(Debug, Clone, Serialize)]
pub struct ClientRecord {
    /// Its number.
    pub client: u64,
    /// Its process.
    pub pid: i32,
    /// Its program's name.
    pub program: String,
    /// The policy for it.
    pub policy: Policy,
    /// Its memory: kinds seen, as words.
    pub memory: Vec<String>,
    /// The seals of its last pool, as text.
    pub seals: String,
    /// The verdict on its last pool.
    pub verdict: &'static str,
    /// Whether the compositor added the seal.
    pub adopted: bool,
    /// Why memory of it was not sealed, or refused; empty if all was.
    pub why: String,
    /// The path of its last frame.
    pub path: Option<Path>,
    /// Frames of it that were shown.
    pub frames: u64,
    /// Bytes of it that were copied.
    pub bytes_copied: u64,
    /// The protocol error that ended it.
    pub error: Option<String>,
    /// Whether it is still connected.
    pub connected: bool,
    /// Whether its memory, under policy `copy`, ended before its buffer did.
    pub cut_off: bool,
}

/// The ledger.
pub(crate) struct Ledger {
    clients: BTreeMap<u64, ClientRecord>,
    gone: usize,
    report: Option<Report>,
}

impl Ledger {
    /// An empty ledger that reports to `report`.
    pub fn new(report: Option<Report>) -> Self {
        Self { clients: BTreeMap::new(), gone: 0, report }
    }

    fn write(&mut self, event: &Event<'_>) {
        if let Some(report) = &mut self.report {
            report.write(event);
        }
    }

    /// Whether anybody wants to know of every frame.
    pub fn wants_frames(&self) -> bool {
        self.report.is_some()
    }

    /// Everything that is known about clients.
    pub fn clients(&self) -> impl Iterator<Item = &ClientRecord> {
        self.clients.values()
    }

    /// Lets whoever watches the report see what it says so far.
    pub fn flush(&mut self) {
        if let Some(report) = &mut self.report {
            report.flush();
        }
    }

    /// Ends the report.
    pub fn finish(&mut self) -> Result<(), crate::report::ReportError> {
        self.report.take().map_or(Ok(()), Report::finish)
    }

    /// A client connected.
    pub fn client_came(&mut self, client: &ClientState) {
        let record = ClientRecord {
            client: client.key,
            pid: client.pid,
            program: client.program.clone(),
            policy: client.policy,
            memory: Vec::new(),
            seals: String::new(),
            verdict: "",
            adopted: false,
            why: String::new(),
            path: None,
            frames: 0,
            bytes_copied: 0,
            error: None,
            connected: true,
            cut_off: false,
        };
        self.clients.insert(client.key, record);
        self.write(&Event::Client {
            client: client.key,
            pid: client.pid,
            program: &client.program,
            policy: client.policy,
        });
    }

    /// A client is gone.
    pub fn client_went(&mut self, key: u64, error: Option<String>) {
        self.write(&Event::Gone { client: key, error: error.as_deref() });
        if let Some(record) = self.clients.get_mut(&key) {
            record.connected = false;
            record.error = error;
            self.gone += 1;
        }
        if self.gone > REMEMBERED {
            let oldest = self.clients.iter().find(|(_, r)| !r.connected).map(|(k, _)| *k);
            if let Some(oldest) = oldest {
                self.clients.remove(&oldest);
                self.gone -= 1;
            }
        }
    }

    fn note(&mut self, client: u64, facts: &Facts) {
        let Some(record) = self.clients.get_mut(&client) else { return };
        let kind = facts.kind.to_string();
        if !record.memory.contains(&kind) {
            record.memory.push(kind);
        }
        record.seals = facts.seals.map_or_else(|| "cannot have any".into(), |s| s.to_string());
        record.verdict = facts.verdict;
        record.adopted = facts.adopted;
        if !facts.why.is_empty() {
            record.why.clone_from(&facts.why);
        }
    }

    /// A pool was accepted.
    pub fn pool_made(&mut self, pool: &Pool) {
        let client = pool.client().key;
        self.note(client, pool.facts());
        if self.wants_frames() {
            self.write(&Event::pool(client, pool.id(), pool.size(), pool.facts()));
        }
    }

    /// A pool was refused.
    pub fn pool_refused(&mut self, client: &ClientState, refusal: &Refusal, size: u64) {
        self.note(client.key, &refusal.facts);
        if self.wants_frames() {
            self.write(&Event::refused(client.key, size, &refusal.facts, &refusal.message));
        }
    }

    /// A pool has grown.
    pub fn pool_resized(&mut self, pool: &Pool) {
        self.write(&Event::Resize { pool: pool.id(), size: pool.size() });
    }

    /// A sealed pool is forwarded as it is, and will not become a dma-buf before.
    pub fn not_imported(&mut self, pool: u64, why: &str) {
        self.write(&Event::NotImported { pool, why });
    }

    /// A buffer was made.
    pub fn buffer_made(&mut self, buffer: &Buffer) {
        if let Some(image) = buffer.dmabuf() {
            self.dmabuf_made(buffer.id(), image);
        }
        let (Some(pool), Some(layout)) = (buffer.pool(), buffer.layout()) else { return };
        self.write(&Event::Buffer {
            buffer: buffer.id(),
            pool: pool.id(),
            offset: layout.offset,
            width: layout.size.w,
            height: layout.size.h,
            stride: layout.stride,
            format: layout.format.name(),
        });
    }

    fn dmabuf_made(&mut self, buffer: u64, image: &DmaImage) {
        let client = image.client().key;
        if let Some(record) = self.clients.get_mut(&client) {
            let kind = format!("dma-buf ({})", image.exporters());
            if !record.memory.contains(&kind) {
                record.memory.push(kind);
            }
            record.seals = "needs none".into();
            record.verdict = "sealed";
        }
        if self.wants_frames() {
            let size = image.size();
            self.write(&Event::DmaBuf {
                client,
                buffer,
                kind: "dma-buf",
                exporter: image.exporters(),
                size: image.bytes(),
                width: size.w,
                height: size.h,
                fourcc: fourcc_name(image.fourcc()),
                modifier: modifier_name(image.modifier()),
                planes: image
                    .planes()
                    .iter()
                    .map(|p| PlaneLine { offset: p.offset, stride: p.stride })
                    .collect(),
            });
        }
    }

    /// What was to be a buffer in dma-bufs was refused.
    pub fn dmabuf_refused(&mut self, client: &ClientState, fourcc: u32, why: &str) {
        tracing::info!(client = client.key, program = client.program, "no buffer of these dma-bufs: {why}");
        if let Some(record) = self.clients.get_mut(&client.key) {
            record.why = why.to_owned();
        }
        self.write(&Event::DmaBufRefused { client: client.key, fourcc: fourcc_name(fourcc), why });
    }

    /// A buffer was destroyed.
    pub fn buffer_gone(&mut self, buffer: &Buffer) {
        self.write(&Event::BufferGone {
            buffer: buffer.id(),
            frames: buffer.frames(),
            bytes_copied: buffer.bytes_copied(),
        });
    }

    /// New content of a surface was shown.
    pub fn frame(&mut self, frame: u64, shown: &Shown) {
        let Shown { client, surface, buffer, path, bytes_copied, committed_us, presented_us } = shown;
        buffer.count_frame(*path, *bytes_copied);
        if let Some(record) = self.clients.get_mut(client) {
            record.frames += 1;
            record.bytes_copied += bytes_copied;
            record.path = Some(*path);
        }
        if self.wants_frames() {
            self.write(&Event::Frame {
                frame,
                client: *client,
                surface: surface.0,
                buffer: buffer.id(),
                path: *path,
                bytes_copied: *bytes_copied,
                committed_us: *committed_us,
                presented_us: *presented_us,
            });
        }
    }

    /// The memory of a surface under policy `copy` ended before its buffer did.
    pub fn cut_off(&mut self, surfaces: &Surfaces, id: SurfaceId) {
        let Some(surface) = surfaces.get(id) else { return };
        if let Some(record) = self.clients.get_mut(&surface.client.key)
            && !std::mem::replace(&mut record.cut_off, true)
        {
            tracing::warn!(
                client = record.client,
                program = record.program,
                "its memory was cut off; the rows that are gone keep what they showed"
            );
        }
    }
}

/// New content of a surface, as it was shown.
pub(crate) struct Shown {
    pub client: u64,
    pub surface: SurfaceId,
    pub buffer: Arc<Buffer>,
    pub path: Path,
    pub bytes_copied: u64,
    pub committed_us: u64,
    pub presented_us: u64,
}
