//! The name that both sides have to know.

use std::fmt;
use std::str::FromStr;

/// The name of the shared memory; those of the two semaphores are made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// The longest after the slash, in bytes: that of a file (255) less the `sem.` and `.filled` of a semaphore.
const LONGEST: usize = 244;

impl Name {
    /// With its slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a file in `/dev/shm`.
    pub(super) fn file(&self) -> &str {
        &self.0[1..]
    }

    /// The semaphore of the slots that may be filled.
    pub(super) fn free(&self) -> String {
        format!("{}.free", self.0)
    }

    /// The semaphore of the slots that may be read.
    pub(super) fn filled(&self) -> String {
        format!("{}.filled", self.0)
    }
}

impl Default for Name {
    fn default() -> Name {
        Name("/selkie-lines".to_owned())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// Follows shm_open(3) and sem_overview(7): a slash, then at least one byte, and no further slash.
    fn from_str(text: &str) -> Result<Name, NameError> {
        let why = match text.strip_prefix('/') {
            None => "it has to begin with a slash, as in /lines",
            Some("") => "there is nothing after the slash",
            Some("." | "..") => "it would be a directory",
            Some(rest) if rest.contains('/') => "it may have no slash but the first",
            Some(rest) if rest.contains('\0') => "it may hold no NUL",
            Some(rest) if rest.len() > LONGEST => "it may be no longer than 244 bytes after the slash",
            Some(_) => return Ok(Name(text.to_owned())),
        };
        Err(NameError { name: text.to_owned(), why })
    }
}

/// A text that cannot be the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot be the name of shared memory: {why}")]
pub struct NameError {
    /// The text.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_slash_and_a_limit() {
        for good in ["/a", "/a b", "/...", &format!("/{}", "x".repeat(244))] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["", "a", "/", "//", "/a/b", "/a/", "/.", "/..", "/a\0", &format!("/{}", "x".repeat(245))]
        {
            assert_eq!(bad.parse::<Name>().unwrap_err().name, bad);
        }
        assert_eq!("/a".parse::<Name>().unwrap().filled(), "/a.filled");
    }
}
