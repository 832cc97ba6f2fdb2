//! DDL: only its command tag, the tables that its grammar names, and what decides how it
//! can be run. The rest is the servers' to check.

use super::cursor::{Parser, Result};
use super::dml::as_query;
use super::keywords::Keyword as K;
use crate::sql::statement::{Ddl, Name, Statement};
use crate::sql::tokens::TokenKind;

impl Parser<'_> {
    pub fn ddl(&mut self, first: K) -> Result<Statement> {
        let ddl = match first {
            K::Create => self.create()?,
            K::Alter => self.alter()?,
            K::Drop => self.drop_objects()?,
            K::Comment => self.comment()?,
            K::Grant | K::Revoke => self.grant(first)?,
            K::Security => self.named_only("SECURITY LABEL", &[K::Security, K::Label])?,
            K::Refresh => self.refresh()?,
            K::Import => {
                self.named_only("IMPORT FOREIGN SCHEMA", &[K::Import, K::Foreign, K::Schema])?
            }
            K::Reassign => self.named_only("REASSIGN OWNED", &[K::Reassign, K::Owned])?,
            _ => return Err(self.unexpected()),
        };
        Ok(Statement::Ddl(ddl))
    }

    fn named_only(&mut self, tag: &str, words: &[K]) -> Result<Ddl> {
        self.expect_all(words)?;
        self.skip_rest();
        Ok(ddl(tag, Vec::new()))
    }

    fn create(&mut self) -> Result<Ddl> {
        self.expect(K::Create)?;
        self.eat_all(&[K::Or, K::Replace]);
        let mut temporary = false;
        loop {
            if self.eat_any(&[K::Temp, K::Temporary]) {
                temporary = true;
            } else if !self.eat_any(&[
                K::Local,
                K::Global,
                K::Unlogged,
                K::Unique,
                K::Recursive,
                K::Constraint,
                K::Default,
                K::Trusted,
                K::Procedural,
            ]) {
                break;
            }
        }
        let (kind, object) = self.object_kind()?;
        let mut ddl = ddl(&format!("CREATE {object}"), Vec::new());
        ddl.temporary = temporary;
        match kind {
            K::Table | K::Foreign => self.create_table(&mut ddl)?,
            K::Materialized => self.create_from_query(&mut ddl)?,
            K::View | K::Sequence => {
                self.if_exists();
                ddl.tables.push(self.qualified_name()?);
            }
            K::Index => {
                ddl.outside_transaction = self.eat(K::Concurrently);
                self.table_behind(K::On, &mut ddl.tables)?;
            }
            // `ON event TO table`.
            K::Rule => self.table_behind(K::To, &mut ddl.tables)?,
            K::Trigger | K::Policy => {
                self.table_behind(K::On, &mut ddl.tables)?;
                // A constraint trigger's `FROM referenced_table` follows at once.
                if kind == K::Trigger && self.eat(K::From) {
                    ddl.tables.push(self.qualified_name()?);
                }
            }
            K::Statistics => self.table_behind(K::From, &mut ddl.tables)?,
            K::Database | K::Tablespace | K::Subscription => ddl.outside_transaction = true,
            _ => {}
        }
        self.skip_rest();
        Ok(ddl)
    }

    /// The words of an object's kind: the first of them, and all in upper case.
    fn object_kind(&mut self) -> Result<(K, String)> {
        const PAIRS: &[(K, K)] = &[
            (K::Materialized, K::View),
            (K::Foreign, K::Table),
            (K::Foreign, K::Data),
            (K::Event, K::Trigger),
            (K::Access, K::Method),
            (K::User, K::Mapping),
            (K::Large, K::Object),
        ];
        let Some(first) = self.keyword() else { return Err(self.unexpected()) };
        self.advance();
        let mut words = first.text().to_ascii_uppercase();
        if let Some(second) = self.keyword()
            && PAIRS.contains(&(first, second))
        {
            self.advance();
            words = format!("{words} {}", second.text().to_ascii_uppercase());
            if self.eat(K::Wrapper) {
                words.push_str(" WRAPPER");
            }
            // An event trigger is not on a table.
            return Ok((if first == K::Event { K::Event } else { first }, words));
        }
        if matches!(first, K::Operator) && self.eat_any(&[K::Class, K::Family]) {
            words.push_str(" CLASS");
        }
        if first == K::Text && self.eat(K::Search) {
            words.push_str(" SEARCH");
        }
        Ok((first, words))
    }

    fn if_exists(&mut self) {
        if self.eat(K::If) {
            self.eat(K::Not);
            self.eat(K::Exists);
        }
    }

    /// Everything up to `keyword`, and the table behind it; stands at the end if there is none.
    fn table_behind(&mut self, keyword: K, tables: &mut Vec<Name>) -> Result<()> {
        while !self.at_end() {
            if self.eat(keyword) {
                self.eat(K::Only);
                if self.is_column_id(0) {
                    tables.push(self.qualified_name()?);
                }
                return Ok(());
            }
            self.advance();
        }
        Ok(())
    }

    fn create_table(&mut self, ddl: &mut Ddl) -> Result<()> {
        self.if_exists();
        ddl.tables.push(self.qualified_name()?);
        if self.eat_all(&[K::Partition, K::Of]) {
            ddl.tables.push(self.qualified_name()?);
        }
        self.definition(ddl)
    }

    /// The rest of CREATE TABLE: tables that it references, or the query of AS.
    fn definition(&mut self, ddl: &mut Ddl) -> Result<()> {
        let mut depth = 0i64;
        while !self.at_end() {
            match self.kind() {
                TokenKind::Punctuation(b'(') => depth += 1,
                TokenKind::Punctuation(b')') => depth -= 1,
                _ => {}
            }
            if depth == 0 && self.is(K::As) {
                return self.rows_of(ddl);
            }
            let like = self.is(K::Like) && depth == 1;
            let references = self.is(K::References) || like;
            let inherits = depth == 0 && self.is(K::Inherits);
            self.advance();
            if references && self.is_column_id(0) {
                ddl.tables.push(self.qualified_name()?);
            } else if inherits {
                ddl.tables.extend(self.parenthesised(Self::qualified_name)?);
            }
        }
        Ok(())
    }

    /// `AS query [WITH [NO] DATA]` or `AS EXECUTE …`.
    fn rows_of(&mut self, ddl: &mut Ddl) -> Result<()> {
        self.expect(K::As)?;
        if self.is(K::Execute) {
            return Err(self.unsupported("CREATE TABLE … AS EXECUTE"));
        }
        let query = self.query()?;
        let empty = self.eat_all(&[K::With, K::No, K::Data]);
        if !empty {
            self.eat_all(&[K::With, K::Data]);
        }
        if !self.at_end() {
            return Err(self.unexpected());
        }
        ddl.rows_from = as_query(Statement::Query(Box::new(query)));
        Ok(())
    }

    fn create_from_query(&mut self, ddl: &mut Ddl) -> Result<()> {
        self.if_exists();
        ddl.tables.push(self.qualified_name()?);
        self.definition(ddl)
    }

    fn alter(&mut self) -> Result<Ddl> {
        self.expect(K::Alter)?;
        let (kind, object) = self.object_kind()?;
        let mut ddl = ddl(&format!("ALTER {object}"), Vec::new());
        match kind {
            K::System => ddl.outside_transaction = true,
            K::Table | K::Foreign | K::View | K::Materialized | K::Sequence
                if !self.is(K::All) && object != "ALTER FOREIGN DATA WRAPPER" =>
            {
                self.if_exists();
                self.eat(K::Only);
                if self.is_column_id(0) {
                    ddl.tables.push(self.qualified_name()?);
                }
                self.altered_tables(&mut ddl)?;
            }
            K::Trigger | K::Policy | K::Rule => self.table_behind(K::On, &mut ddl.tables)?,
            K::Database => {
                while !self.at_end() && !ddl.outside_transaction {
                    ddl.outside_transaction = self.eat_all(&[K::Set, K::Tablespace]);
                    self.advance();
                }
            }
            _ => {}
        }
        self.skip_rest();
        Ok(ddl)
    }

    /// Tables that the actions of ALTER TABLE name.
    fn altered_tables(&mut self, ddl: &mut Ddl) -> Result<()> {
        while !self.at_end() {
            let names = self.eat(K::References)
                || self.eat(K::Inherit)
                || self.eat_all(&[K::Attach, K::Partition])
                || self.eat_all(&[K::Detach, K::Partition]);
            if names && self.is_column_id(0) {
                ddl.tables.push(self.qualified_name()?);
                ddl.outside_transaction |= self.is(K::Concurrently);
            } else {
                self.advance();
            }
        }
        Ok(())
    }

    fn drop_objects(&mut self) -> Result<Ddl> {
        self.expect(K::Drop)?;
        let (kind, object) = self.object_kind()?;
        let mut ddl = ddl(&format!("DROP {object}"), Vec::new());
        match kind {
            K::Index => ddl.outside_transaction = self.eat(K::Concurrently),
            K::Table | K::View | K::Materialized | K::Sequence | K::Foreign
                if object != "FOREIGN DATA WRAPPER" =>
            {
                self.if_exists();
                ddl.tables = self.comma_list(Self::qualified_name)?;
            }
            K::Trigger | K::Policy | K::Rule => self.table_behind(K::On, &mut ddl.tables)?,
            K::Database | K::Tablespace | K::Subscription => ddl.outside_transaction = true,
            _ => {}
        }
        self.skip_rest();
        Ok(ddl)
    }

    fn comment(&mut self) -> Result<Ddl> {
        self.expect_all(&[K::Comment, K::On])?;
        let (kind, _) = self.object_kind()?;
        let mut ddl = ddl("COMMENT", Vec::new());
        match kind {
            K::Table | K::View | K::Materialized | K::Sequence => {
                ddl.tables.push(self.qualified_name()?);
            }
            K::Column => {
                let mut parts = self.comma_list(Self::label)?;
                while self.eat_punctuation(b'.') {
                    parts.push(self.label()?);
                }
                parts.pop();
                if !parts.is_empty() {
                    ddl.tables.push(self.name_of(parts)?);
                }
            }
            K::Trigger | K::Policy | K::Rule | K::Constraint => {
                self.table_behind(K::On, &mut ddl.tables)?;
            }
            _ => {}
        }
        self.skip_rest();
        Ok(ddl)
    }

    /// GRANT and REVOKE on tables name them; roles and other objects are nobody's rows.
    fn grant(&mut self, first: K) -> Result<Ddl> {
        let mut ddl = ddl(&first.text().to_ascii_uppercase(), Vec::new());
        while !self.at_end() && !self.is(K::On) {
            self.advance();
        }
        if self.eat(K::On) {
            let other = !self.eat(K::Table)
                && (self.eat_all(&[K::Large, K::Object])
                    || matches!(
                        self.keyword(),
                        Some(
                            K::All
                                | K::Schema
                                | K::Database
                                | K::Function
                                | K::Procedure
                                | K::Routine
                                | K::Sequence
                                | K::Type
                                | K::Domain
                                | K::Language
                                | K::Tablespace
                                | K::Foreign
                                | K::Parameter
                        )
                    ));
            if !other {
                ddl.tables = self.comma_list(Self::qualified_name)?;
            }
        }
        self.skip_rest();
        Ok(ddl)
    }

    fn refresh(&mut self) -> Result<Ddl> {
        self.expect_all(&[K::Refresh, K::Materialized, K::View])?;
        self.eat(K::Concurrently);
        let tables = vec![self.qualified_name()?];
        self.skip_rest();
        Ok(ddl("REFRESH MATERIALIZED VIEW", tables))
    }
}

fn ddl(tag: &str, tables: Vec<Name>) -> Ddl {
    Ddl { tag: tag.into(), tables, rows_from: None, temporary: false, outside_transaction: false }
}
