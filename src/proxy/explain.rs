//! EXPLAIN through the proxy: the server's plan, with the route before it, valid in its format.

use bytes::BytesMut;

use crate::sql::ExplainFormat;
use crate::wire::backend;

/// What is put before a server's plan.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    pub format: ExplainFormat,
    /// Such as `shard s2 (key users.id = 42)`.
    pub route: String,
}

impl Shown {
    /// Appends the first row of a server's EXPLAIN with the route in it: in text as a row of
    /// its own before it, else inside the document.
    pub fn write_first_row(&self, out: &mut BytesMut, row: &[u8]) {
        let Ok(values) = backend::read_data_row(row) else { return };
        let Some(Some(plan)) = values.get(0) else { return };
        let plan = String::from_utf8_lossy(plan);
        let written = match self.format {
            ExplainFormat::Text => {
                let line = format!("pgherd: {}", self.route);
                backend::data_row(out, [Some(line.as_bytes())]);
                plan.into_owned()
            }
            ExplainFormat::Json => self.in_json(&plan),
            ExplainFormat::Xml => self.in_xml(&plan),
            ExplainFormat::Yaml => self.in_yaml(&plan),
        };
        backend::data_row(out, [Some(written.as_bytes())]);
    }

    /// As the first member of the first object.
    fn in_json(&self, plan: &str) -> String {
        let route = serde_json::Value::from(&*self.route).to_string();
        match plan.split_once('{') {
            Some((before, after)) => format!("{before}{{\n    \"pgherd\": {route},{after}"),
            None => plan.to_owned(),
        }
    }

    /// As the first element of the first query.
    fn in_xml(&self, plan: &str) -> String {
        let escaped: String = self
            .route
            .chars()
            .map(|c| match c {
                '<' => "&lt;".to_owned(),
                '>' => "&gt;".to_owned(),
                '&' => "&amp;".to_owned(),
                // Not a character of XML 1.0.
                c if c.is_control() && !c.is_whitespace() => "\u{fffd}".to_owned(),
                c => c.to_string(),
            })
            .collect();
        match plan.split_once("<Query>") {
            Some((before, after)) => {
                format!("{before}<Query>\n    <Pgherd>{escaped}</Pgherd>{after}")
            }
            None => plan.to_owned(),
        }
    }

    /// As the first key of the first mapping. A JSON string is a YAML string.
    fn in_yaml(&self, plan: &str) -> String {
        let route = serde_json::Value::from(&*self.route).to_string();
        match plan.split_once("- ") {
            Some((before, after)) => format!("{before}- pgherd: {route}\n  {after}"),
            None => plan.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(format: ExplainFormat, plan: &str) -> Vec<String> {
        let shown = Shown { format, route: "shard s2 (key users.name = '<\"a&b\"')".into() };
        let mut row = BytesMut::new();
        backend::data_row(&mut row, [Some(plan.as_bytes())]);
        let mut out = BytesMut::new();
        shown.write_first_row(&mut out, &row[5..]);
        let mut rows = Vec::new();
        while let Ok(Some((_, body))) = crate::wire::frame::take(&mut out, 10_000, "test") {
            let values = backend::read_data_row(&body).unwrap();
            rows.push(String::from_utf8(values.get(0).unwrap().unwrap().to_vec()).unwrap());
        }
        rows
    }

    #[test]
    fn text_gets_a_line() {
        assert_eq!(
            explain(ExplainFormat::Text, "Result"),
            ["pgherd: shard s2 (key users.name = '<\"a&b\"')", "Result"]
        );
    }

    #[test]
    fn json_stays_json() {
        let rows = explain(ExplainFormat::Json, "[\n  {\n    \"Plan\": {\"a\": 1}\n  }\n]");
        let value: serde_json::Value = serde_json::from_str(&rows[0]).unwrap();
        assert_eq!(value[0]["pgherd"], "shard s2 (key users.name = '<\"a&b\"')");
        assert_eq!(value[0]["Plan"]["a"], 1);
    }

    #[test]
    fn xml_stays_xml() {
        let rows =
            explain(ExplainFormat::Xml, "<explain>\n  <Query>\n    <Plan/></Query></explain>");
        assert_eq!(
            rows[0],
            "<explain>\n  <Query>\n    <Pgherd>shard s2 (key users.name = '&lt;\"a&amp;b\"')\
             </Pgherd>\n    <Plan/></Query></explain>"
        );
    }

    #[test]
    fn yaml_stays_yaml() {
        let rows = explain(ExplainFormat::Yaml, "- Plan: \n    Node Type: \"Result\"");
        assert_eq!(
            rows[0],
            "- pgherd: \"shard s2 (key users.name = '<\\\"a&b\\\"')\"\n  Plan: \n    \
             Node Type: \"Result\""
        );
    }
}
