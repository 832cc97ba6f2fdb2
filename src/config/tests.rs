//! Configurations as data: `tests/config/bad/NAME.toml` (and the rules it names) beside
//! `NAME.expected`, the mistakes as a person sees them. PGHERD_REWRITE=1 writes them anew.
//! A line `# environment: NAME=value` or `# flag: key=value` sets what stands outside.

use std::fs;
use std::path::{Path, PathBuf};

use super::settings::{ClientSecret, LogFormat, PoolMode};
use super::tls::{ServerTls, SslMode};
use super::*;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn pairs(text: &str, prefix: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.strip_prefix(prefix)?.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn overrides(text: &str) -> Overrides {
    Overrides { environment: pairs(text, "# environment:"), flags: pairs(text, "# flag:") }
}

#[test]
fn mistakes_are_named_with_file_and_line() {
    let directory = directory().join("bad");
    let mut differing = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        count += 1;
        let text = fs::read_to_string(&file).unwrap();
        let found = match load(&file, &overrides(&text)) {
            Ok(_) => "no mistake found".to_owned(),
            Err(mistakes) => mistakes.to_string(),
        };
        let found = found.replace(&format!("{}/", directory.display()), "") + "\n";
        let beside = file.with_extension("expected");
        if std::env::var_os("PGHERD_REWRITE").is_some() {
            fs::write(&beside, &found).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if found != expected {
            differing.push(format!("{}:\nexpected:\n{expected}found:\n{found}", file.display()));
        }
    }
    assert!(count >= 10, "only {count} files in {}", directory.display());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn good(text: &str) -> Settings {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pgherd.toml");
    fs::write(&file, text).unwrap();
    fs::write(directory.path().join("rules.yaml"), "reference: [countries]\n").unwrap();
    fs::write(directory.path().join("secret"), "from file\nnot this\n").unwrap();
    load(&file, &overrides(text)).unwrap()
}

const SMALL: &str = r#"
[[database.app.user]]
name = "pgherd"
password = "hunter2"
[[database.app.shard]]
name = "s1"
nodes = ["127.0.0.1:6433"]
"#;

#[test]
fn a_small_file_gets_the_defaults() {
    let settings = good(SMALL);
    assert_eq!(settings.proxy.listen, ["127.0.0.1:6432".parse().unwrap()]);
    assert_eq!(settings.proxy.socket_mode, 0o777);
    assert_eq!(settings.pool.size, 20);
    assert_eq!(settings.limits.message_size, 64 << 20);
    assert_eq!(settings.limits.merge_memory, 64 << 20);
    assert_eq!(settings.limits.copy_row, 64 << 20);
    assert_eq!(settings.limits.gather_memory, 64 << 20);
    assert_eq!(settings.limits.gather_disk, 1 << 30);
    assert_eq!(settings.log.format, LogFormat::Text);
    let app = settings.database("app").unwrap();
    assert_eq!(&*app.server_name, "app");
    assert_eq!(app.rules.unlisted, rules::Unlisted::Home);
    assert_eq!(app.control_user().map(|user| &*user.name), Some("pgherd"));
    assert_eq!(app.shards[0].nodes[0].to_string(), "127.0.0.1:6433");
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn flags_override_the_environment_and_that_the_file() {
    let text = "# environment: PGHERD_POOL__SIZE=30\n# environment: PGHERD_POOL__IDLE_TIMEOUT=7m\n\
                # environment: PGHERD_DATABASE__APP__SERVER_NAME=007\n\
                # flag: pool.size=40\n# flag: proxy.listen=127.0.0.1:1,127.0.0.1:2\n\
                [pool]\nsize = 10\nlifetime = \"2h\"\n";
    let settings = good(&format!("{text}{SMALL}"));
    assert_eq!(settings.pool.size, 40);
    assert_eq!(settings.pool.idle_timeout.as_secs(), 420);
    assert_eq!(settings.pool.lifetime.as_secs(), 7200);
    assert_eq!(settings.proxy.listen.len(), 2);
    assert_eq!(&*settings.databases[0].server_name, "007");
}

#[test]
fn secrets_come_from_the_file_a_variable_or_a_file_of_their_own() {
    let verifier = "SCRAM-SHA-256$4096:c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\
                    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let text = format!(
        "# environment: APP_PASSWORD=from variable\n\
         [[database.app.user]]\nname = \"a\"\npassword_env = \"APP_PASSWORD\"\n\
         [[database.app.user]]\nname = \"b\"\npassword_file = \"secret\"\n\
         [[database.app.user]]\nname = \"c\"\nverifier = \"{verifier}\"\n\
         server_password = \"other\"\npool_size = 5\n{SMALL}"
    );
    let settings = good(&text);
    let app = &settings.databases[0];
    let server = |name: &str| {
        let user = app.user(name).unwrap();
        user.server_password.as_ref().map(|secret| secret.reveal().to_owned()).unwrap()
    };
    assert_eq!(server("a"), "from variable");
    assert_eq!(server("b"), "from file");
    assert_eq!(server("c"), "other");
    let c = app.user("c").unwrap();
    assert_eq!(c.client, ClientSecret::Verifier(Secret::new(verifier)));
    assert_eq!(c.pool_size, Some(5));
}

#[test]
fn a_user_has_its_own_pool_mode_or_the_databases() {
    let user = |mode: &str| {
        format!("[[database.app.user]]\nname = \"a\"\npassword = \"x\"\npool_mode = \"{mode}\"\n")
    };
    let mode = |text: &str, name: &str| good(text).databases[0].pool_mode(name);
    assert_eq!(mode(SMALL, "pgherd"), PoolMode::Transaction);
    let text = format!("{}{SMALL}", user("session"));
    assert_eq!(mode(&text, "a"), PoolMode::Session);
    assert_eq!(mode(&text, "pgherd"), PoolMode::Transaction);
    let text = format!("{}{SMALL}[database.app]\npool_mode = \"session\"\n", user("transaction"));
    assert_eq!(mode(&text, "a"), PoolMode::Transaction);
    assert_eq!(mode(&text, "pgherd"), PoolMode::Session);
}

/// A certificate of its own authority and its key, in PEM.
fn identity() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn certificates_and_keys_belong_together() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (identity(), identity());
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("one.crt", &one.0);
    write("one.key", &one.1);
    write("other.key", &other.1);
    write("both.pem", &format!("{}{}", one.1, one.0));
    write("locked.key", &one.1.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
    write("cut.crt", &one.0[..one.0.len() / 2]);
    let read = |lines: &str| {
        let file = directory.path().join("pgherd.toml");
        fs::write(&file, format!("[proxy]\n{lines}{SMALL}")).unwrap();
        load(&file, &Overrides::default()).map_err(|mistakes| mistakes.to_string())
    };
    let tls = |mode: &str, certificate: &str, key: &str| {
        read(&format!(
            "tls_mode = \"{mode}\"\ntls_certificate = \"{certificate}\"\ntls_key = \"{key}\"\n"
        ))
    };
    for (certificate, key) in [("one.crt", "one.key"), ("both.pem", "both.pem")] {
        let settings = tls("require", certificate, key).unwrap();
        assert!(settings.proxy.tls.is_some_and(|tls| tls.required));
    }
    assert!(tls("allow", "one.crt", "one.key").unwrap().proxy.tls.is_some_and(|t| !t.required));
    // Written, and switched off: the files aren't even read.
    assert_eq!(tls("disable", "absent", "absent").unwrap().proxy.tls, None);
    for (certificate, key, why) in [
        ("one.crt", "other.key", "pgherd.toml:3: proxy.tls_certificate: can't be used: keys may"),
        ("one.crt", "locked.key", "pgherd.toml:4: proxy.tls_key: "),
        ("one.crt", "locked.key", "is encrypted; expected a key without a passphrase"),
        ("one.crt", "one.crt", "holds no private key in PEM"),
        ("one.key", "one.key", "pgherd.toml:3: proxy.tls_certificate: "),
        ("one.key", "one.key", "holds no certificate in PEM"),
        ("cut.crt", "one.key", "is not PEM"),
    ] {
        let said = tls("require", certificate, key).unwrap_err();
        assert!(said.contains(why), "{certificate} {key}: {said}");
        assert!(!said.contains("BEGIN"), "{said}");
    }
    // Whoever may come without TLS comes without a certificate.
    let lines = "tls_mode = \"allow\"\ntls_certificate = \"one.crt\"\ntls_key = \"one.key\"\n\
                 tls_client_ca = \"one.crt\"\n";
    let said = read(lines).unwrap_err();
    assert!(said.contains("pgherd.toml:5: proxy.tls_client_ca: lets nobody in"), "{said}");
}

#[test]
fn a_shard_has_its_own_sslmode_or_the_databases() {
    let mode = |database: &str, shard: &str| {
        let settings = good(&format!("[database.app]\n{database}{SMALL}{shard}"));
        settings.databases[0].shards[0].tls.clone()
    };
    let written = |mode: &str| format!("sslmode = \"{mode}\"\n");
    assert_eq!(mode("", "").mode, SslMode::Prefer);
    assert_eq!(mode(&written("require"), "").mode, SslMode::Require);
    assert_eq!(mode(&written("require"), &written("disable")), ServerTls::disabled());
    assert_eq!(mode(&written("disable"), &written("prefer")).mode, SslMode::Prefer);
}

#[test]
fn the_examples_are_good() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("sharding-rules");
    let mut count = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let file = entry.unwrap().path();
        let read = read_rules(&file, Some(&["s1", "s2", "s3"]));
        assert!(read.is_ok(), "{}", read.unwrap_err());
        count += 1;
    }
    assert!(count >= 4);
}

/// The table rows of docs/configuration.md, `| name | default | range | …`, by name.
fn documented() -> Vec<(String, String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = fs::read_to_string(file).unwrap();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        let plain = |cell: &str| cell.trim().trim_matches('`').to_owned();
        Some((name.to_owned(), plain(cells.next()?), plain(cells.next()?)))
    };
    // The name of a setting has a dot; other tables name other things.
    text.lines().filter_map(row).filter(|(name, ..)| name.contains('.')).collect()
}

#[test]
fn every_setting_is_documented_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pgherd.toml");
    fs::write(&file, SMALL).unwrap();
    let (settings, described) = load_described(&file, &Overrides::default());
    settings.unwrap();
    assert!(described.len() > 20);
    let documented = documented();
    let mut wrong = Vec::new();
    for Described { path, default, expected } in &described {
        match documented.iter().find(|(name, ..)| name == path) {
            None => wrong.push(format!("{path} is missing")),
            Some((_, shown, range)) => {
                let default = default.as_deref().unwrap_or("none");
                if shown != default || range != expected {
                    wrong
                        .push(format!("{path} says {shown}, {range}; it is {default}, {expected}"));
                }
            }
        }
    }
    for (name, ..) in &documented {
        if !described.iter().any(|described| described.path == *name) {
            wrong.push(format!("{name} is documented and does not exist"));
        }
    }
    assert!(wrong.is_empty(), "docs/configuration.md:\n{}", wrong.join("\n"));
}

proptest::proptest! {
    /// Whatever a person writes is read or refused.
    #[test]
    fn no_text_panics(
        key in "(proxy|pool|limits|log|database|database\\.app|database\\.app\\.shard|x)",
        name in "(listen|size|lifetime|format|level|nodes|rules|user|shard|\"a b\"|y)",
        value in proptest::sample::select(&[
            "1", "-1", "1e9", "\"5s\"", "\"\"", "true", "[]", "[1, \"x\"]", "{}", "{ a = 1 }",
            "1979-05-27", "\"é:1\"",
        ][..]),
        list in proptest::bool::ANY,
    ) {
        let header = if list { format!("[[{key}]]") } else { format!("[{key}]") };
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pgherd.toml");
        fs::write(&file, format!("{header}\n{name} = {value}\n")).unwrap();
        let shown = load(&file, &Overrides::default()).unwrap_err().to_string();
        proptest::prop_assert!(shown.contains("pgherd.toml"));
    }
}
