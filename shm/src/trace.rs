//! What a tool says, and, for who wants to follow it (`-v`), the system calls that it makes, in the form in which strace(1) shows
//! them.
//!
//! As strace does it, a call is written before it is made and its result after: one that waits is a line that waits, and a
//! process that was killed in one leaves half a line. The text is made of the values that the call gets, at the place where
//! it is made. Calls that are of no interest here (those of the loader, of the allocator, asking for the size of a page) are left out;
//! strace shows those too.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};

use bitflags::Flags;

/// Where a tool writes to, and how much.
pub struct Trace {
    out: Box<dyn Write>,
    verbose: bool,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("verbose", &self.verbose).finish_non_exhaustive()
    }
}

impl Trace {
    /// What is said goes to `out`, and so do the calls if it is to be `verbose`.
    pub fn new(out: impl Write + 'static, verbose: bool) -> Trace {
        Trace { out: Box::new(out), verbose }
    }

    /// Says something, as a line of its own, at once.
    ///
    /// # Errors
    ///
    /// [`SayError`]: the reader of a pipe has gone, the disk is full.
    pub fn say(&mut self, line: fmt::Arguments<'_>) -> Result<(), SayError> {
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(|source| SayError { source })
    }

    /// Makes a system call: `call` is it with its arguments, `show` writes the result of one that succeeds.
    ///
    /// Whether the lines could be written is not what the call depends on; the next [`Trace::say`] will notice.
    ///
    /// # Errors
    ///
    /// Those of the call.
    pub fn call<T, E: Error + 'static>(
        &mut self,
        call: fmt::Arguments<'_>,
        show: impl FnOnce(&T) -> String,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if !self.verbose {
            return make();
        }
        let _ = write!(self.out, "  {call}").and_then(|()| self.out.flush());
        let result = make();
        let text = match &result {
            Ok(value) => show(value),
            Err(error) => failure(error),
        };
        let _ = writeln!(self.out, " = {text}").and_then(|()| self.out.flush());
        result
    }

    /// As [`Trace::call`], where a function of ours makes several: `call` is the first, and `lines` gives its result, then the
    /// calls after it with theirs. What nobody outside learns is a `?`, as in strace.
    ///
    /// # Errors
    ///
    /// Those of the calls.
    pub fn several<T, E>(
        &mut self,
        call: fmt::Arguments<'_>,
        lines: impl FnOnce(&Result<T, E>) -> Vec<String>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if !self.verbose {
            return make();
        }
        let _ = write!(self.out, "  {call}").and_then(|()| self.out.flush());
        let result = make();
        let lines = lines(&result).join("\n  ");
        let _ = writeln!(self.out, " = {lines}").and_then(|()| self.out.flush());
        result
    }

    /// A call that cannot fail in a way that we would learn of, as one in a destructor.
    pub fn quiet<T>(&mut self, call: fmt::Arguments<'_>, make: impl FnOnce() -> T) -> T {
        let Ok(value) = self.call(call, |_| zero(&()), || Ok::<T, Infallible>(make()));
        value
    }
}

/// Nothing can be said any more.
#[derive(Debug, thiserror::Error)]
#[error("cannot write what there is to say")]
pub struct SayError {
    /// What the kernel said.
    pub source: io::Error,
}

/// The result of a call that returns nothing: 0.
pub fn zero(_: &()) -> String {
    "0".to_owned()
}

/// The result of a call that returns an fd.
pub fn fd(fd: &impl AsFd) -> String {
    fd.as_fd().as_raw_fd().to_string()
}

/// The result of a call that returns a number.
pub fn number(number: &impl fmt::Display) -> String {
    number.to_string()
}

/// Flags by their names, each with its prefix: `MFD_CLOEXEC|MFD_ALLOW_SEALING`.
pub fn flags<F: Flags>(prefix: &str, flags: F) -> String {
    let names: Vec<String> = flags.iter_names().map(|(name, _)| format!("{prefix}{name}")).collect();
    if names.is_empty() { "0".to_owned() } else { names.join("|") }
}

/// The result of a call that fails: `-1 ENOENT (No such file or directory)`.
pub fn failure(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let code = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        let code =
            code.or_else(|| error.downcast_ref::<rustix::io::Errno>().map(|errno| errno.raw_os_error()));
        if let Some(code) = code {
            let text = io::Error::from_raw_os_error(code).to_string();
            // "No such file or directory (os error 2)"
            let text = text.split(" (os error").next().unwrap_or_default();
            return match errno(code) {
                Some(name) => format!("-1 {name} ({text})"),
                None => format!("-1 {code} ({text})"),
            };
        }
        cause = error.source();
    }
    format!("-1 ({error})")
}

/// The names of those errors that sharing memory can give.
fn errno(code: i32) -> Option<&'static str> {
    use rustix::io::Errno as E;
    const NAMES: [(E, &str); 34] = [
        (E::ACCESS, "EACCES"),
        (E::ADDRINUSE, "EADDRINUSE"),
        (E::AGAIN, "EAGAIN"),
        (E::BADF, "EBADF"),
        (E::BUSY, "EBUSY"),
        (E::CONNREFUSED, "ECONNREFUSED"),
        (E::CONNRESET, "ECONNRESET"),
        (E::EXIST, "EEXIST"),
        (E::FAULT, "EFAULT"),
        (E::FBIG, "EFBIG"),
        (E::IDRM, "EIDRM"),
        (E::INTR, "EINTR"),
        (E::INVAL, "EINVAL"),
        (E::ISDIR, "EISDIR"),
        (E::LOOP, "ELOOP"),
        (E::MFILE, "EMFILE"),
        (E::NAMETOOLONG, "ENAMETOOLONG"),
        (E::NFILE, "ENFILE"),
        (E::NODEV, "ENODEV"),
        (E::NOENT, "ENOENT"),
        (E::NOMEM, "ENOMEM"),
        (E::NOSPC, "ENOSPC"),
        (E::NOSYS, "ENOSYS"),
        (E::NOTCONN, "ENOTCONN"),
        (E::NOTDIR, "ENOTDIR"),
        (E::NOTTY, "ENOTTY"),
        (E::NXIO, "ENXIO"),
        (E::OPNOTSUPP, "EOPNOTSUPP"),
        (E::PERM, "EPERM"),
        (E::PIPE, "EPIPE"),
        (E::ROFS, "EROFS"),
        (E::SRCH, "ESRCH"),
        (E::TOOBIG, "E2BIG"),
        (E::TXTBSY, "ETXTBSY"),
    ];
    NAMES.iter().find(|(errno, _)| errno.raw_os_error() == code).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use rustix::fs::MemfdFlags;
    use rustix::io::Errno;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Rc<RefCell<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap_or_default()
        }
    }

    #[test]
    fn a_call_is_written_before_it_is_made_and_its_result_after() {
        let page = Page::default();
        let mut trace = Trace::new(page.clone(), true);
        let result: Result<i32, Errno> = trace.call(format_args!("one({})", 1), number, || {
            assert_eq!(page.text(), "  one(1)");
            Ok(7)
        });
        assert_eq!(result, Ok(7));
        assert_eq!(page.text(), "  one(1) = 7\n");
    }

    #[test]
    fn an_error_has_its_name_however_deep_it_is() {
        let page = Page::default();
        let mut trace = Trace::new(page.clone(), true);
        let result: Result<(), Errno> = trace.call(format_args!("two()"), zero, || Err(Errno::IDRM));
        assert_eq!(result, Err(Errno::IDRM));
        let deep = || Err(SayError { source: Errno::NOENT.into() });
        let _ = trace.call(format_args!("three()"), zero, deep);
        assert_eq!(
            page.text(),
            "  two() = -1 EIDRM (Identifier removed)\n  three() = -1 ENOENT (No such file or directory)\n"
        );
    }

    #[test]
    fn only_what_is_said_is_seen_without_asking() {
        let page = Page::default();
        let mut trace = Trace::new(page.clone(), false);
        let made: Result<(), Errno> = trace.call(format_args!("four()"), zero, || Ok(()));
        made.and_then(|()| trace.say(format_args!("said")).map_err(|_| Errno::IO)).ok();
        assert_eq!(page.text(), "said\n");
    }

    #[test]
    fn flags_have_the_names_of_the_manual() {
        assert_eq!(
            flags("MFD_", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING),
            "MFD_CLOEXEC|MFD_ALLOW_SEALING"
        );
        assert_eq!(flags("MFD_", MemfdFlags::empty()), "0");
    }
}
