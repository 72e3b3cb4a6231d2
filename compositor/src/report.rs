//! The ledger as JSON lines: one object per line, each with an `event`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path as FilePath, PathBuf};

use serde::Serialize;

use crate::buffer::{Facts, Path, Policy};

/// A line of the report. Sizes are in bytes, times in microseconds of `CLOCK_MONOTONIC`.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Event<'a> {
    Client {
        client: u64,
        pid: i32,
        program: &'a str,
        policy: Policy,
    },
    Gone {
        client: u64,
        error: Option<&'a str>,
    },
    Pool(PoolLine<'a>),
    Refused(PoolLine<'a>),
    Resize {
        pool: u64,
        size: u64,
    },
    /// A sealed pool that does not become a dma-buf.
    NotImported {
        pool: u64,
        why: &'a str,
    },
    Buffer {
        buffer: u64,
        pool: u64,
        offset: u64,
        width: i32,
        height: i32,
        stride: u64,
        format: &'a str,
    },
    /// A buffer in dma-bufs.
    DmaBuf {
        client: u64,
        buffer: u64,
        kind: &'a str,
        exporter: String,
        /// Of all its dma-bufs together.
        size: u64,
        width: i32,
        height: i32,
        /// Four letters of drm_fourcc.h.
        fourcc: String,
        modifier: String,
        planes: Vec<PlaneLine>,
    },
    DmaBufRefused {
        client: u64,
        fourcc: String,
        why: &'a str,
    },
    BufferGone {
        buffer: u64,
        frames: u64,
        bytes_copied: u64,
    },
    Frame {
        frame: u64,
        client: u64,
        surface: u64,
        buffer: u64,
        path: Path,
        bytes_copied: u64,
        committed_us: u64,
        presented_us: u64,
    },
}

/// What a pool's line holds, accepted or refused.
#[derive(Debug, Serialize)]
pub(crate) struct PoolLine<'a> {
    client: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<u64>,
    kind: String,
    seals: Option<String>,
    size: u64,
    file_size: Option<u64>,
    verdict: &'a str,
    why: &'a str,
    policy: Policy,
    adopted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Where a plane lies in its dma-buf.
#[derive(Debug, Serialize)]
pub(crate) struct PlaneLine {
    pub offset: u32,
    pub stride: u32,
}

impl<'a> Event<'a> {
    /// A pool that was accepted.
    pub fn pool(client: u64, pool: u64, size: u64, facts: &'a Facts) -> Self {
        Event::Pool(PoolLine::new(client, Some(pool), size, facts, None))
    }

    /// A pool that was refused with `error`.
    pub fn refused(client: u64, size: u64, facts: &'a Facts, error: &'a str) -> Self {
        Event::Refused(PoolLine::new(client, None, size, facts, Some(error)))
    }
}

impl<'a> PoolLine<'a> {
    fn new(client: u64, pool: Option<u64>, size: u64, facts: &'a Facts, error: Option<&'a str>) -> Self {
        Self {
            client,
            pool,
            kind: facts.kind.to_string(),
            seals: facts.seals.map(|s| s.to_string()),
            size,
            file_size: facts.file_size,
            verdict: facts.verdict,
            why: &facts.why,
            policy: facts.policy,
            adopted: facts.adopted,
            error,
        }
    }
}

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file could not be made.
    #[error("cannot create the report {path}: choose a file in a directory that you may write to")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be written to its end.
    #[error("cannot write the report {path}; what it holds is incomplete")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A report that is being written.
pub(crate) struct Report {
    path: PathBuf,
    file: BufWriter<File>,
    /// The first failure; nothing is written after it.
    failed: Option<io::Error>,
}

impl Report {
    /// Begins a report.
    pub fn create(path: &FilePath) -> Result<Self, ReportError> {
        let file =
            File::create(path).map_err(|source| ReportError::Create { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), failed: None })
    }

    /// Adds a line.
    pub fn write(&mut self, event: &Event<'_>) {
        if self.failed.is_some() {
            return;
        }
        let line = serde_json::to_writer(&mut self.file, event).map_err(io::Error::from);
        if let Err(e) = line.and_then(|()| self.file.write_all(b"\n")) {
            self.fail(e);
        }
    }

    /// Puts what was added where others can read it.
    pub fn flush(&mut self) {
        if self.failed.is_none()
            && !self.file.buffer().is_empty()
            && let Err(e) = self.file.flush()
        {
            self.fail(e);
        }
    }

    fn fail(&mut self, e: io::Error) {
        tracing::warn!("cannot write the report {}: {e}", self.path.display());
        self.failed = Some(e);
    }

    /// Ends the report.
    pub fn finish(mut self) -> Result<(), ReportError> {
        let outcome = match self.failed.take() {
            Some(e) => Err(e),
            None => self.file.flush(),
        };
        outcome.map_err(|source| ReportError::Write { path: self.path.clone(), source })
    }
}
