//! The report: one line of JSON per frame, and the statistics as the last one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::ClientError;
use crate::flight::{Fate, Flight};
use crate::stats::Statistics;

/// A line of the report. Times are in nanoseconds of the presentation clock.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Frame {
        frame: u64,
        buffer: u64,
        commit_ns: u64,
        present_ns: Option<u64>,
        release_ns: Option<u64>,
        discarded: bool,
        sequence: Option<u64>,
        refresh_ns: Option<u32>,
        zero_copy: bool,
    },
    Summary {
        #[serde(flatten)]
        statistics: &'a Statistics,
    },
}

/// A report being written; or none, if none was asked for.
pub struct Report(Option<(PathBuf, BufWriter<File>)>);

impl Report {
    /// Creates the file.
    pub fn create(path: Option<&Path>) -> Result<Report, ClientError> {
        let create = |path: &Path| match File::create(path) {
            Ok(file) => Ok((path.to_owned(), BufWriter::new(file))),
            Err(source) => Err(ClientError::Report { path: path.to_owned(), source }),
        };
        Ok(Report(path.map(create).transpose()?))
    }

    /// Writes the line of one frame.
    pub fn frame(&mut self, flight: &Flight) -> Result<(), ClientError> {
        let presented = match flight.fate {
            Fate::Presented(presented) => Some(presented),
            _ => None,
        };
        self.line(&Line::Frame {
            frame: flight.frame,
            buffer: flight.slot,
            commit_ns: flight.committed,
            present_ns: presented.map(|p| p.at),
            release_ns: flight.released,
            discarded: flight.fate == Fate::Discarded,
            sequence: presented.map(|p| p.sequence),
            refresh_ns: presented.map(|p| p.refresh),
            zero_copy: presented.is_some_and(|p| p.zero_copy),
        })
    }

    /// Writes the last line, and everything to the disk's keeper.
    pub fn finish(&mut self, statistics: &Statistics) -> Result<(), ClientError> {
        self.line(&Line::Summary { statistics })?;
        self.write(BufWriter::flush)
    }

    fn line(&mut self, line: &Line<'_>) -> Result<(), ClientError> {
        self.write(|out| {
            serde_json::to_writer(&mut *out, line)?;
            out.write_all(b"\n")
        })
    }

    fn write(&mut self, f: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), ClientError> {
        match &mut self.0 {
            Some((path, out)) => f(out).map_err(|source| ClientError::Report { path: path.clone(), source }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::flight::Presented;

    #[test]
    fn lines_are_json() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.jsonl");
        let mut report = Report::create(Some(&path)).unwrap();
        let fate = Fate::Presented(Presented { at: 9, sequence: 3, refresh: 16, zero_copy: true });
        report.frame(&Flight { frame: 7, slot: 2, committed: 5, fate, released: None }).unwrap();
        report.finish(&Statistics::new(&Config::default())).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            text.lines().next().unwrap(),
            r#"{"type":"frame","frame":7,"buffer":2,"commit_ns":5,"present_ns":9,"release_ns":null,"discarded":false,"sequence":3,"refresh_ns":16,"zero_copy":true}"#
        );
        assert_eq!((&lines[1]["type"], &lines[1]["pattern"]), (&"summary".into(), &"bars".into()));
        assert_eq!(lines[1]["commit_to_present"]["p99_us"], 0);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_said_before_anything_else() {
        let error = Report::create(Some(Path::new("/nonexistent/report"))).err().unwrap();
        assert_eq!(error.to_string(), "cannot write the report /nonexistent/report");
        assert!(
            Report::create(Some(Path::new("/dev/full")))
                .unwrap()
                .finish(&Statistics::new(&Config::default()))
                .is_err()
        );
    }
}
