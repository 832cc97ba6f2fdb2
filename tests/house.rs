//! The rules of the house, held by reading the sources (ARCHITECTURE.md names them).

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the top of the house to its ground floor. A room imports only from rooms
/// below it. Rooms that stand on one floor do not import each other.
const FLOORS: &[&[&str]] = &[
    &["cli"],
    &["admin"],
    &["reshard", "recovery", "drill"],
    &["proxy"],
    &["cluster"],
    &["replication", "verify"],
    &["catalog"],
    &["routing"],
    &["sql"],
    &["placement"],
    &["wire"],
    &["config"],
    &["local"],
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

struct Source {
    path: PathBuf,
    room: String,
    /// Without comments; strings are left, which no import stands in.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files
        .into_iter()
        .filter_map(|path| {
            let inside = path.strip_prefix(&root).ok()?;
            let room = inside.components().next()?.as_os_str().to_str()?.to_owned();
            let text = fs::read_to_string(&path).expect("a source file is readable");
            let code = without_comments(&text);
            (inside.components().count() > 1).then_some(Source { path, room, code })
        })
        .collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("src is readable") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The rooms named after `crate::` in a source, also in `crate::{a::b, c}`.
fn rooms_named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => rooms.extend(top_level_names(group)),
            None => rooms.push(leading_name(rest)),
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

fn leading_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn top_level_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = true;
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                names.push(leading_name(&group[i..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn imports_run_down_the_house() {
    let mut wrong = Vec::new();
    for source in sources() {
        let own = floor(&source.room);
        let Some(own) = own else {
            wrong.push(format!("{}: room {:?} has no floor", source.path.display(), source.room));
            continue;
        };
        for room in rooms_named(&source.code) {
            let allowed = room == source.room || floor(&room).is_some_and(|other| other > own);
            if !allowed {
                let path = source.path.display();
                wrong.push(format!("{path}: {} imports crate::{room}", source.room));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that run up the house:\n{}", wrong.join("\n"));
}

#[test]
fn the_check_itself_sees_imports() {
    let code =
        "use crate::{config::rules::{Rules, TableName}, sql};\nfn f() { crate::wire::frame() }";
    assert_eq!(rooms_named(code), ["config", "sql", "wire"]);
    assert_eq!(rooms_named(&without_comments("// crate::proxy is above us")), [""; 0]);
}

#[test]
fn lib_names_the_rooms_in_the_order_of_the_floors() {
    let lib = include_str!("../src/lib.rs");
    let named: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut ordered = named.clone();
    ordered.sort_by_key(|room| floor(room));
    assert!(named.iter().all(|room| floor(room).is_some()), "a room without a floor: {named:?}");
    assert_eq!(named, ordered);
}

/// What a room must not contain, with the reason that ARCHITECTURE.md gives.
const ABSENT: &[(&[&str], &[&str])] = &[
    // No I/O and no clock where answers are decided: testable by data and by property.
    (
        &["sql", "placement", "routing"],
        &[
            "tokio::",
            "tokio_postgres",
            "std::net",
            "std::fs",
            "std::env",
            "Instant",
            "SystemTime",
            "std::process",
        ],
    ),
    // The relay's codecs know no SQL.
    (&["wire"], &["sql::", "Statement"]),
    // The ground floor starts clusters; it knows nothing of what is tested on them.
    (&["local"], &["crate::config", "crate::placement"]),
];

#[test]
fn rooms_keep_out_what_is_deliberately_absent() {
    let mut wrong = Vec::new();
    for source in sources() {
        let words = ABSENT.iter().filter(|(rooms, _)| rooms.contains(&source.room.as_str()));
        for word in words.flat_map(|(_, words)| words.iter()) {
            // Unit tests at the end of a file may use what they like.
            let code = source.code.split("#[cfg(test)]").next().unwrap_or("");
            if code.contains(word) {
                wrong.push(format!("{}: {word}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "absent by design, yet here:\n{}", wrong.join("\n"));
}

/// Libraries that one place knows, so that another can take their part.
const AT_HOME: &[(&str, &[&str])] = &[
    ("hashring::", &["src/placement/ring.rs"]),
    ("quick_cache::", &["src/routing/cache.rs"]),
    ("figment::", &["src/config/"]),
    ("granit_parser::", &["src/config/"]),
    ("clap::", &["src/cli/"]),
    ("indicatif::", &["src/cli/"]),
    ("hmac::", &["src/wire/auth/"]),
    ("stringprep::", &["src/wire/auth/"]),
    // Who is trusted is settled where settings are read; sessions only pass it on.
    (
        "rustls::",
        &["src/config/tls.rs", "src/wire/", "src/cluster/control.rs", "src/proxy/client.rs"],
    ),
    // The control plane's client: it can't relay bytes, so no session uses it.
    ("tokio_postgres::", &["src/cli/", "src/cluster/", "src/catalog/", "src/local/"]),
];

#[test]
fn libraries_stay_where_they_serve() {
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.path.to_string_lossy().into_owned();
        for (library, homes) in AT_HOME {
            if source.code.contains(library) && !homes.iter().any(|home| path.contains(home)) {
                wrong.push(format!("{path}: {library}"));
            }
        }
    }
    assert!(wrong.is_empty(), "libraries out of their place:\n{}", wrong.join("\n"));
}

#[test]
fn no_state_of_the_whole_process() {
    const SHARED: &[&str] =
        &["static mut ", "OnceLock<", "LazyLock<", "thread_local!", "OnceCell<"];
    let mut wrong = Vec::new();
    for source in sources() {
        let code = source.code.split("#[cfg(test)]").next().unwrap_or("");
        for line in code.lines() {
            let item = line.trim_start();
            let is_static = item.starts_with("static ") || item.starts_with("pub static ");
            let cells = ["Mutex<", "RwLock<", "Atomic", "OnceLock<", "LazyLock<"];
            let shared = is_static && cells.iter().any(|cell| item.contains(cell));
            if shared || (item.contains("static ") && SHARED.iter().any(|s| item.contains(s))) {
                wrong.push(format!("{}: {item}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "state is passed in, not global:\n{}", wrong.join("\n"));
}
