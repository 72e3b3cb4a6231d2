//! Users by their number, as `/etc/passwd` has them. Those that only a directory service knows stay numbers.

use std::collections::HashMap;

use super::Owner;

#[derive(Debug)]
pub(super) struct Users(HashMap<u32, String>);

impl Users {
    pub fn read() -> Users {
        let text = std::fs::read("/etc/passwd").unwrap_or_default();
        Users(parse(&String::from_utf8_lossy(&text)))
    }

    pub fn owner(&self, uid: u32) -> Owner {
        Owner { uid, user: self.0.get(&uid).cloned() }
    }
}

/// `passwd(5)`; where a number has two names, the first counts.
fn parse(text: &str) -> HashMap<u32, String> {
    let mut users = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(uid))) = (fields.next(), fields.nth(1).map(str::parse)) {
            users.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_passwd() {
        let users = Users(parse(
            "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\n\n# no user\nann:x:1000:1000::/:/bin/sh\n",
        ));
        assert_eq!(users.owner(0).user.as_deref(), Some("root"));
        assert_eq!(users.owner(1000).to_string(), "ann");
        assert_eq!(users.owner(70000), Owner { uid: 70000, user: None });
    }
}
