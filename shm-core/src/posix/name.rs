//! Names of POSIX shared memory.

use std::fmt;
use std::str::FromStr;

/// The name of an object: a slash, and up to 254 bytes that are no slash.
///
/// POSIX leaves open what any other name means; Linux takes some of them and other systems take others, so none is taken
/// here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// The most bytes of a name, with its slash.
pub const MAX_NAME: usize = 255;

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`NameError`], which says what is wrong.
    pub fn new(name: impl Into<String>) -> Result<Name, NameError> {
        let name = name.into();
        let Some(rest) = name.strip_prefix('/') else {
            return Err(if name.is_empty() { NameError::Empty } else { NameError::NoSlash { name } });
        };
        match rest {
            "" => Err(NameError::Empty),
            "." | ".." => Err(NameError::Dots { name }),
            rest if rest.contains('/') => Err(NameError::Slash { name }),
            rest if rest.contains('\0') => Err(NameError::Nul { name }),
            _ if name.len() > MAX_NAME => Err(NameError::Long { len: name.len() }),
            _ => Ok(Name(name)),
        }
    }

    /// The name with its slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its file in `/dev/shm`, without a slash.
    pub fn file_name(&self) -> &str {
        self.0.strip_prefix('/').unwrap_or(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        Name::new(text)
    }
}

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing, or nothing behind the slash.
    #[error("a name of shared memory is a slash and at least one character, such as /frames")]
    Empty,
    /// It does not begin with a slash.
    #[error("the name of shared memory `{name}` does not begin with a slash: write /{name}")]
    NoSlash {
        /// The name.
        name: String,
    },
    /// It has a second slash.
    #[error(
        "the name of shared memory `{name}` has a slash within: it is no path, and has only the one at its beginning"
    )]
    Slash {
        /// The name.
        name: String,
    },
    /// `/.` or `/..`.
    #[error("`{name}` is no name of shared memory, but of a directory")]
    Dots {
        /// The name.
        name: String,
    },
    /// It has a zero byte.
    #[error("the name of shared memory {name:?} has a zero byte within")]
    Nul {
        /// The name.
        name: String,
    },
    /// It is too long.
    #[error("a name of shared memory has at most {MAX_NAME} bytes with its slash, and this one has {len}")]
    Long {
        /// Its length in bytes.
        len: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_wrong_is_said() {
        let name = |text: &str| text.to_owned();
        for (text, error) in [
            ("", NameError::Empty),
            ("/", NameError::Empty),
            ("frames", NameError::NoSlash { name: name("frames") }),
            ("a/b", NameError::NoSlash { name: name("a/b") }),
            ("//", NameError::Slash { name: name("//") }),
            ("/a/b", NameError::Slash { name: name("/a/b") }),
            ("/a/", NameError::Slash { name: name("/a/") }),
            ("/.", NameError::Dots { name: name("/.") }),
            ("/..", NameError::Dots { name: name("/..") }),
            ("/a\0b", NameError::Nul { name: name("/a\0b") }),
        ] {
            assert_eq!(Name::new(text), Err(error), "{text:?}");
        }
        assert_eq!(
            NameError::NoSlash { name: name("frames") }.to_string(),
            "the name of shared memory `frames` does not begin with a slash: write /frames"
        );
    }

    #[test]
    fn names_have_255_bytes_at_most() {
        let longest = format!("/{}", "x".repeat(254));
        assert_eq!(Name::new(longest.clone()).unwrap().as_str(), longest);
        assert_eq!(Name::new(format!("{longest}x")), Err(NameError::Long { len: 256 }));
        // Bytes, not characters.
        assert_eq!(Name::new(format!("/{}", "ä".repeat(128))), Err(NameError::Long { len: 257 }));
    }

    proptest! {
        #[test]
        fn a_name_is_one_file_in_its_directory(text in "/?[a-z./\0ä]{0,8}") {
            let Ok(name) = text.parse::<Name>() else { return Ok(()) };
            prop_assert_eq!(name.as_str(), &text);
            let path = std::path::Path::new("/dev/shm").join(name.file_name());
            prop_assert_eq!(path.parent().unwrap(), std::path::Path::new("/dev/shm"));
            prop_assert_eq!(path.file_name().unwrap().to_str().unwrap(), &text[1..]);
        }
    }
}
