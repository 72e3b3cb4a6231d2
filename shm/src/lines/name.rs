//! The name that both sides have to know.

use std::fmt;
use std::str::FromStr;

use shm_core::posix;

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

    /// A name of shared memory, short enough for a semaphore's to be made of it.
    fn from_str(text: &str) -> Result<Name, NameError> {
        let why = match posix::Name::new(text) {
            Ok(name) if name.file_name().len() <= LONGEST => return Ok(Name(text.to_owned())),
            Ok(_) | Err(posix::NameError::Long { .. }) => {
                "it may be no longer than 244 bytes after the slash"
            }
            Err(posix::NameError::Empty) if text == "/" => "there is nothing after the slash",
            Err(posix::NameError::Empty | posix::NameError::NoSlash { .. }) => {
                "it has to begin with a slash, as in /lines"
            }
            Err(posix::NameError::Dots { .. }) => "it would be a directory",
            Err(posix::NameError::Slash { .. }) => "it may have no slash but the first",
            Err(posix::NameError::Nul { .. }) => "it may hold no NUL",
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
        for (bad, why) in [
            ("", "it has to begin with a slash, as in /lines"),
            ("a", "it has to begin with a slash, as in /lines"),
            ("/", "there is nothing after the slash"),
            ("/..", "it would be a directory"),
            ("/a/b", "it may have no slash but the first"),
            ("/a\0", "it may hold no NUL"),
            (&format!("/{}", "x".repeat(245)), "it may be no longer than 244 bytes after the slash"),
            (&format!("/{}", "x".repeat(255)), "it may be no longer than 244 bytes after the slash"),
        ] {
            assert_eq!(bad.parse::<Name>().unwrap_err().why, why, "{bad:?}");
        }
        assert_eq!("/a".parse::<Name>().unwrap().filled(), "/a.filled");
    }
}
