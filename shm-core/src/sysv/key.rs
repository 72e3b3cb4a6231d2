//! Keys: the numbers by which unrelated processes find a System V segment, and how `ftok` makes one of a file's name.

use std::fmt;
use std::io;
use std::num::IntErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A key of a System V segment (`key_t`).
///
/// It is shown, and read, as `ipcs` shows it: `0x0000beef`. Decimal numbers are read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(i32);

impl Key {
    /// `IPC_PRIVATE`: no key at all. Every segment that is created with it is a new one, which others find by its id only.
    pub const PRIVATE: Key = Key(libc::IPC_PRIVATE);

    /// The key with this number; 0 is [`Key::PRIVATE`].
    pub const fn new(number: i32) -> Key {
        Key(number)
    }

    /// The key that `ftok(3)` makes of a file and a number: whoever names the same two gets the same key.
    ///
    /// The file must exist; only who it is matters, not what is in it. Of `project` the low 8 bits count, and POSIX
    /// leaves open what comes of it if all of them are 0 (here: an error).
    ///
    /// The key is `project << 24 | (st_dev & 0xff) << 16 | (st_ino & 0xffff)`. So **it is not unique**: of the inode number 16
    /// bits are left, and other files on the same disk have the same key. Create with [`exclusive`](super::Create::exclusive)
    /// to notice. And a file that is deleted and made again has another inode, hence another key: the segment of the
    /// old one is not found any more.
    ///
    /// # Errors
    ///
    /// [`KeyError::File`], [`KeyError::Project`].
    pub fn ftok(path: impl AsRef<Path>, project: i32) -> Result<Key, KeyError> {
        let path = path.as_ref();
        let [low, ..] = project.to_le_bytes();
        if low == 0 {
            return Err(KeyError::Project { project });
        }
        let stat = rustix::fs::stat(path)
            .map_err(|error| KeyError::File { path: path.to_owned(), source: error.into() })?;
        let [device, ..] = stat.st_dev.to_le_bytes();
        let [inode, inode_high, ..] = stat.st_ino.to_le_bytes();
        Ok(Key(i32::from_le_bytes([inode, inode_high, device, low])))
    }

    /// Its number, as the system calls have it.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Whether it is [`Key::PRIVATE`].
    pub const fn is_private(self) -> bool {
        self.0 == libc::IPC_PRIVATE
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("0x{:08x}", self.0))
    }
}

impl FromStr for Key {
    type Err = KeyError;

    /// Hexadecimal with `0x`, up to 8 digits; or decimal, negative too.
    fn from_str(text: &str) -> Result<Key, KeyError> {
        let error = || KeyError::Text { text: text.to_owned() };
        let wide = || KeyError::Wide { text: text.to_owned() };
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let number = match digits {
            // `from_str_radix` would take a sign here.
            Some(digits) if digits.starts_with(['+', '-']) => return Err(error()),
            Some(digits) => i64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        let number = number.map_err(|e| match e.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => wide(),
            _ => error(),
        })?;
        // What `ipcs` shows as 0x80000000 and more may be written as a negative and as a positive number.
        let key = i32::try_from(number).or_else(|_| u32::try_from(number).map(u32::cast_signed));
        key.map(Key).map_err(|_| wide())
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be looked at.
    #[error("ftok needs a file that exists, and cannot look at {}: create it first, or name another", .path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The project is none.
    #[error(
        "ftok takes the low 8 bits of the project number, and those of {project} are 0: take one of 1 to 255"
    )]
    Project {
        /// The number.
        project: i32,
    },
    /// The text is no number.
    #[error("`{text}` is no key: write it as ipcs shows it, such as 0x0000beef, or as a decimal number")]
    Text {
        /// The text.
        text: String,
    },
    /// The number has more than 32 bits.
    #[error("`{text}` is no key: a key has 32 bits")]
    Wide {
        /// The text.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_written_as_ipcs_does() {
        assert_eq!(Key::PRIVATE.to_string(), "0x00000000");
        assert_eq!(Key::new(0xbeef).to_string(), "0x0000beef");
        assert_eq!(Key::new(-1).to_string(), "0xffffffff");
        assert_eq!(format!("{:>12}|", Key::new(1)), "  0x00000001|");
    }

    #[test]
    fn is_read_in_both_bases() {
        for (text, number) in [
            ("0xbeef", 0xbeef),
            ("0X0000BEEF", 0xbeef),
            ("48879", 0xbeef),
            ("0xffffffff", -1),
            ("-1", -1),
            ("4294967295", -1),
            ("0", 0),
        ] {
            assert_eq!(text.parse::<Key>().unwrap(), Key::new(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "0x", "beef", "0x+1", "0x-1", "1 ", "0xg"] {
            assert!(matches!(text.parse::<Key>(), Err(KeyError::Text { .. })), "{text}");
        }
        for text in ["0x100000000", "4294967296", "-2147483649", "99999999999999999999"] {
            assert!(matches!(text.parse::<Key>(), Err(KeyError::Wide { .. })), "{text}");
        }
        assert_eq!(
            "0x100000000".parse::<Key>().unwrap_err().to_string(),
            "`0x100000000` is no key: a key has 32 bits"
        );
    }

    proptest! {
        #[test]
        fn is_read_as_it_is_written(number: i32) {
            let key = Key::new(number);
            prop_assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
            prop_assert_eq!(number.to_string().parse::<Key>().unwrap(), key);
        }
    }

    #[test]
    #[cfg(not(miri))] // system calls
    fn ftok_is_that_of_the_c_library() {
        use std::ffi::CString;
        use std::os::unix::ffi::OsStrExt;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [directory.path(), &file, Path::new("/"), Path::new("/proc/self"), Path::new("/dev/null")]
        {
            let c_path = CString::new(path.as_os_str().as_bytes()).unwrap();
            for project in [1, 7, 0x41, 0x7f, 0x80, 0xff, 0x101, -1, i32::MAX, 0x7fff_ff01] {
                // SAFETY: a string that ends with 0.
                let theirs = unsafe { libc::ftok(c_path.as_ptr(), project) };
                assert_eq!(
                    Key::ftok(path, project).unwrap().number(),
                    theirs,
                    "{} {project}",
                    path.display()
                );
            }
        }
    }

    #[test]
    #[cfg(not(miri))] // system calls
    fn ftok_has_rules() {
        for project in [0, 0x100, i32::MIN, -256] {
            assert!(matches!(Key::ftok("/", project), Err(KeyError::Project { .. })), "{project}");
        }
        match Key::ftok("/nobody/made/this", 1) {
            Err(KeyError::File { source, .. }) => assert_eq!(source.kind(), io::ErrorKind::NotFound),
            other => panic!("{other:?}"),
        }
    }
}
