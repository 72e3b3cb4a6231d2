//! JSON: the form that is read back to compare by.

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::suite::Report;

#[derive(Serialize)]
struct Written<'a> {
    compositors: &'a [Report],
}

#[derive(Deserialize)]
struct Read {
    compositors: Vec<Report>,
}

/// The results as JSON: `{"compositors": [{"compositor", "version", "results": [{"id", "verdict", ..., "ms"}]}]}`.
///
/// With the verdict come its particulars: `seen` (pass), `expected` and `got` (fail), `how` (crash), `waiting_for` (hang),
/// `kept` (leak), `missing` (skip). `ms` is how long the case took, in milliseconds.
///
/// # Errors
///
/// None that strings and numbers could cause.
pub fn json(reports: &[Report]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Written { compositors: reports })
}

/// Reads what [`json`] has written.
///
/// # Errors
///
/// If it is not that.
pub fn read_json(text: &str) -> serde_json::Result<Vec<Report>> {
    Ok(serde_json::from_str::<Read>(text)?.compositors)
}

/// The cases themselves as JSON: an array of objects with `id`, `group`, `does`, `must`, `reference`, `matters` and, where
/// it is known to end or freeze a compositor, `danger`.
pub fn list_json(cases: &[&'static Case]) -> String {
    let describe = |case: &&'static Case| {
        serde_json::json!({
            "id": case.id, "group": case.group(), "does": case.does, "must": case.must,
            "reference": case.reference, "matters": case.matters, "danger": case.danger,
        })
    };
    serde_json::Value::Array(cases.iter().map(describe).collect()).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::format::samples;

    #[test]
    fn what_is_written_can_be_read() {
        let reports = samples::reports();
        let text = json(&reports).unwrap();
        assert_eq!(read_json(&text).unwrap(), reports);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let crash = &value["compositors"][0]["results"][1];
        let expected =
            r#"{"how":"ended by SIGBUS","id":"memory.shrink-after-commit","ms":12,"verdict":"crash"}"#;
        assert_eq!(crash.to_string(), expected);
        assert!(read_json("{}").is_err());
    }
}
