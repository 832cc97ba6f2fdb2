//! The settings and rules that fit a herd. What a person changed in them is kept.

use std::path::Path;

use super::error::Error;
use super::state::{Shape, write_whole};
use super::{PASSWORD, USER};

/// Writes `pgherd.toml` and `rules.yaml` where they are missing; `rules`, when given, replaces
/// what was there.
pub(super) fn write(dir: &Path, shape: &Shape, rules: Option<&str>) -> Result<(), Error> {
    let path = dir.join("pgherd.toml");
    if !path.exists() {
        write_whole(&path, &settings(shape))?;
    }
    let path = dir.join("rules.yaml");
    match rules {
        Some(rules) => write_whole(&path, rules),
        None if path.exists() => Ok(()),
        None if shape.unsharded => write_whole(&path, UNSHARDED_RULES),
        None => write_whole(&path, EXAMPLE_RULES),
    }
}

fn settings(shape: &Shape) -> String {
    // `Shape::check` lets no name pass that would need quotes here.
    let database = &shape.database;
    let mut text = format!(
        "# Written by `pgherd local up`, which keeps it when it is there.\n\
         [proxy]\n\
         listen = \"127.0.0.1:{port}\"\n\
         \n\
         [database.{database}]\n\
         rules = \"rules.yaml\"\n\
         catalog = \"catalog.json\"\n\
         \n\
         [[database.{database}.user]]\n\
         name = \"{USER}\"\n\
         password = \"{PASSWORD}\"\n",
        port = shape.base_port,
    );
    let members = shape.members();
    for shard in shape.shard_names() {
        let nodes: Vec<_> = members
            .iter()
            .filter(|member| member.shard == shard)
            .map(|member| format!("\"127.0.0.1:{}\"", member.port))
            .collect();
        text.push_str(&format!(
            "\n[[database.{database}.shard]]\n\
             name = \"{shard}\"\n\
             nodes = [{}] # the first is the primary at the start\n",
            nodes.join(", ")
        ));
    }
    text
}

const UNSHARDED_RULES: &str = "\
# One group holds every row: no table is sharded.
keyspaces: []
unlisted: home
";

const EXAMPLE_RULES: &str = "\
# Which tables are split, and by what. Start again with --rules FILE for your own.
keyspaces:
  # Equal keys of one keyspace lie together: a user and the user's posts.
  - name: users
    key: [bigint]
    placement:
      ring:
        virtual_nodes: 256
    tables:
      users: [id]
      posts: [user_id]
# A whole copy on every shard.
reference: [countries]
# On the first shard only.
home: []
# A table that is not named here is refused.
unlisted: refuse
";

#[cfg(test)]
mod tests {
    use super::super::state::Asked;
    use super::*;

    #[test]
    fn the_settings_name_every_node_and_are_toml() {
        let name = "My-App_2";
        let asked = Asked {
            shards: Some(2),
            base_port: Some(7000),
            database: Some(name.into()),
            ..Asked::default()
        };
        let text = settings(&asked.shape());
        let parsed: toml_edit::DocumentMut = text.parse().expect("TOML");
        assert_eq!(parsed["proxy"]["listen"].as_str(), Some("127.0.0.1:7000"));
        let shards = parsed["database"][name]["shard"].as_array_of_tables().expect("shards");
        let nodes: Vec<_> = shards.iter().map(|s| s["nodes"].to_string()).collect();
        assert!(nodes[0].contains(r#"["127.0.0.1:7001", "127.0.0.1:7002"]"#), "{nodes:?}");
        assert!(nodes[1].contains(r#"["127.0.0.1:7003", "127.0.0.1:7004"]"#), "{nodes:?}");
    }

    #[test]
    fn what_a_person_wrote_is_kept_unless_rules_are_given() {
        let dir = tempfile::tempdir().expect("a directory");
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("read");
        let shape = Asked::default().shape();
        write(dir.path(), &shape, None).expect("written");
        assert_eq!(read("rules.yaml"), EXAMPLE_RULES);
        std::fs::write(dir.path().join("rules.yaml"), "mine").expect("written");
        std::fs::write(dir.path().join("pgherd.toml"), "mine").expect("written");
        write(dir.path(), &shape, None).expect("written");
        assert_eq!((read("rules.yaml"), read("pgherd.toml")), ("mine".into(), "mine".into()));
        write(dir.path(), &shape, Some("given")).expect("written");
        assert_eq!((read("rules.yaml"), read("pgherd.toml")), ("given".into(), "mine".into()));
    }
}
