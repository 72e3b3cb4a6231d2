//! The ledger of a compositor as its report tells it.

use serde_json::Value;

/// How a frame of a surface got to the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    Forwarded,
    Composed,
}

/// The line of one frame of one surface.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Whose it is.
    pub client: u64,
    /// The surface.
    pub surface: u64,
    /// How it got there.
    pub path: Path,
    /// What was read of it.
    pub bytes_copied: u64,
}

/// The frames in a report, as far as it has been written.
///
/// # Panics
/// If it is none.
pub fn frames(report: &std::path::Path) -> Vec<Frame> {
    let text = std::fs::read_to_string(report).unwrap();
    // The last line may not be written whole yet.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let frame = |line: Value| {
        let number = |key: &str| line[key].as_u64().unwrap();
        let path = match line["path"].as_str() {
            Some("forwarded") => Path::Forwarded,
            Some("composed") => Path::Composed,
            other => panic!("an unknown path {other:?}"),
        };
        let (client, surface, bytes_copied) = (number("client"), number("surface"), number("bytes_copied"));
        Frame { client, surface, path, bytes_copied }
    };
    lines.filter(|line| line["event"] == "frame").map(frame).collect()
}
