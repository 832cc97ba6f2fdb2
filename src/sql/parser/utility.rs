//! Statements that are neither queries nor changes of rows nor DDL.

use super::cursor::{Parser, Result};
use super::keywords::Keyword as K;
use crate::sql::statement::{
    Discard, Explain, ExplainFormat, Ident, Maintenance, Name, Set, SetItem, SetScope, SetValue,
    Statement, Transaction,
};
use crate::sql::tokens::TokenKind;

impl Parser<'_> {
    /// A statement by its first keyword.
    pub fn utility(&mut self, first: K) -> Result<Statement> {
        match first {
            K::Begin
            | K::Start
            | K::Commit
            | K::End
            | K::Rollback
            | K::Abort
            | K::Savepoint
            | K::Release => self.transaction(first).map(Statement::Transaction),
            K::Prepare => self.prepare(),
            K::Execute => self.execute(),
            K::Deallocate => {
                self.advance();
                self.eat(K::Prepare);
                self.name_or_all().map(Statement::Deallocate)
            }
            K::Set => self.set(),
            K::Reset => self.reset(),
            K::Show => self.show(),
            K::Discard => self.discard(),
            K::Declare => self.declare(),
            K::Fetch | K::Move => self.fetch(),
            K::Close => {
                self.advance();
                self.name_or_all().map(Statement::Close)
            }
            K::Listen => {
                self.advance();
                self.column_id().map(Statement::Listen)
            }
            K::Unlisten => {
                self.advance();
                if self.eat_operator(b"*") {
                    return Ok(Statement::Unlisten(None));
                }
                self.column_id().map(|name| Statement::Unlisten(Some(name)))
            }
            K::Notify => self.notify(),
            K::Lock => self.lock(),
            K::Truncate => self.truncate(),
            K::Explain => self.explain(),
            K::Vacuum | K::Analyze | K::Analyse | K::Cluster | K::Reindex | K::Checkpoint => {
                self.maintenance(first)
            }
            K::Call => self.call_statement(),
            K::Do => {
                self.skip_rest();
                Ok(Statement::Do)
            }
            K::Load => {
                self.skip_rest();
                Ok(Statement::Other("LOAD".into()))
            }
            _ => self.ddl(first),
        }
    }

    /// Goes to the end of the statement.
    pub fn skip_rest(&mut self) {
        while !self.at_end() {
            self.advance();
        }
    }

    fn name_or_all(&mut self) -> Result<Option<Ident>> {
        if self.eat(K::All) { Ok(None) } else { self.column_id().map(Some) }
    }

    fn transaction(&mut self, first: K) -> Result<Transaction> {
        self.advance();
        match first {
            K::Savepoint => return self.column_id().map(Transaction::Savepoint),
            K::Release => {
                self.eat(K::Savepoint);
                return self.column_id().map(Transaction::Release);
            }
            K::Start => self.expect(K::Transaction)?,
            K::Commit | K::Rollback if self.eat(K::Prepared) => {
                self.string_literal().ok_or_else(|| self.unexpected())?;
                return Ok(if first == K::Commit {
                    Transaction::CommitPrepared
                } else {
                    Transaction::RollbackPrepared
                });
            }
            _ => drop(self.eat_any(&[K::Work, K::Transaction])),
        }
        if matches!(first, K::Begin | K::Start) {
            return Ok(Transaction::Begin { read_only: self.transaction_modes()? });
        }
        if first == K::Rollback && self.eat(K::To) {
            self.eat(K::Savepoint);
            return self.column_id().map(Transaction::RollbackTo);
        }
        let mut chain = false;
        if self.eat(K::And) {
            chain = !self.eat(K::No);
            self.expect(K::Chain)?;
        }
        Ok(match first {
            K::Commit | K::End => Transaction::Commit { chain },
            _ => Transaction::Rollback { chain },
        })
    }

    /// ISOLATION LEVEL, READ ONLY or WRITE, DEFERRABLE: whether it is to be read only.
    fn transaction_modes(&mut self) -> Result<Option<bool>> {
        let mut read_only = None;
        while !self.at_end() {
            if self.eat_all(&[K::Isolation, K::Level]) {
                let known = self.eat(K::Serializable)
                    || self.eat_all(&[K::Repeatable, K::Read])
                    || self.eat_all(&[K::Read, K::Committed])
                    || self.eat_all(&[K::Read, K::Uncommitted]);
                if !known {
                    return Err(self.unexpected());
                }
            } else if self.eat_all(&[K::Read, K::Only]) {
                read_only = Some(true);
            } else if self.eat_all(&[K::Read, K::Write]) {
                read_only = Some(false);
            } else {
                self.eat(K::Not);
                self.expect(K::Deferrable)?;
            }
            self.eat_punctuation(b',');
        }
        Ok(read_only)
    }

    fn prepare(&mut self) -> Result<Statement> {
        self.expect(K::Prepare)?;
        if self.is(K::Transaction) && matches!(self.kind_ahead(1), TokenKind::Literal(_)) {
            self.skip_rest();
            return Ok(Statement::Transaction(Transaction::PrepareTransaction));
        }
        let name = self.column_id()?;
        if self.is_punctuation(b'(') {
            self.parenthesised(Self::type_name)?;
        }
        self.expect(K::As)?;
        let statement = Box::new(self.nested(Self::plannable)?);
        Ok(Statement::Prepare { name, statement })
    }

    fn execute(&mut self) -> Result<Statement> {
        self.expect(K::Execute)?;
        let name = self.column_id()?;
        let arguments =
            if self.is_punctuation(b'(') { self.parenthesised(Self::expr)? } else { Vec::new() };
        Ok(Statement::Execute { name, arguments })
    }

    fn set(&mut self) -> Result<Statement> {
        self.expect(K::Set)?;
        if self.eat(K::Constraints) {
            self.skip_rest();
            return Ok(Statement::Transaction(Transaction::Constraints));
        }
        let mut scope = SetScope::Session;
        if self.eat(K::Local) {
            scope = SetScope::Transaction;
        } else if self.eat_all(&[K::Session, K::Characteristics]) {
            self.expect_all(&[K::As, K::Transaction])?;
            self.transaction_modes()?;
            let name = "session characteristics".into();
            return Ok(Statement::Set(Set { scope, name, value: SetValue::Opaque }));
        } else if self.is(K::Session) && self.keyword_ahead(1) != Some(K::Authorization) {
            self.eat(K::Session);
        }
        if self.is(K::Transaction) && self.keyword_ahead(1) != Some(K::To) {
            self.advance();
            if self.eat(K::Snapshot) {
                self.string_literal().ok_or_else(|| self.unexpected())?;
            } else {
                self.transaction_modes()?;
            }
            return Ok(Statement::Transaction(Transaction::Characteristics));
        }
        let (name, value) = self.set_rest()?;
        Ok(Statement::Set(Set { scope, name, value }))
    }

    /// The name of the setting and its value.
    fn set_rest(&mut self) -> Result<(Ident, SetValue)> {
        let named = if self.eat_all(&[K::Time, K::Zone]) {
            Some("timezone")
        } else if self.eat_all(&[K::Session, K::Authorization]) {
            Some("session_authorization")
        } else if self.eat_all(&[K::Xml, K::Option]) {
            Some("xmloption")
        } else {
            let literal = matches!(self.kind_ahead(1), TokenKind::Literal(_));
            let bare = !matches!(self.keyword_ahead(1), Some(K::To | K::From))
                && self.kind_ahead(1) != TokenKind::Operator
                && self.kind_ahead(1) != TokenKind::Punctuation(b'.');
            let named = match self.keyword() {
                Some(K::Role) if bare => Some("role"),
                Some(K::Names) if bare => Some("client_encoding"),
                Some(K::Schema) if literal => Some("search_path"),
                _ => None,
            };
            if named.is_some() {
                self.advance();
            }
            named
        };
        if let Some(name) = named {
            if name == "timezone" && self.eat(K::Local) || self.eat(K::Default) || self.at_end() {
                return Ok((name.into(), SetValue::Default));
            }
            if name == "timezone" && self.is(K::Interval) {
                self.skip_rest();
                return Ok((name.into(), SetValue::Opaque));
            }
            return Ok((name.into(), SetValue::Values(vec![self.set_item()?])));
        }
        let name = self.setting_name()?;
        if self.eat_all(&[K::From, K::Current]) {
            return Ok((name, SetValue::Opaque));
        }
        if !self.eat(K::To) {
            self.expect_operator(b"=")?;
        }
        if self.eat(K::Default) {
            return Ok((name, SetValue::Default));
        }
        Ok((name, SetValue::Values(self.comma_list(Self::set_item)?)))
    }

    /// `search_path`, `pgherd.shard`: lower case whether quoted or not.
    fn setting_name(&mut self) -> Result<Ident> {
        let mut name = self.column_id()?.to_ascii_lowercase();
        while self.eat_punctuation(b'.') {
            name.push('.');
            name.push_str(&self.column_id()?.to_ascii_lowercase());
        }
        Ok(name.into_boxed_str())
    }

    fn set_item(&mut self) -> Result<SetItem> {
        let negative = self.eat_operator(b"-");
        let signed = negative || self.eat_operator(b"+");
        if let TokenKind::Literal(slot) = self.kind() {
            self.advance();
            return Ok(if negative {
                SetItem::NegativeLiteral(slot)
            } else {
                SetItem::Literal(slot)
            });
        }
        if signed {
            return Err(self.unexpected());
        }
        if matches!(self.keyword(), Some(K::True | K::False | K::On)) {
            return self.label().map(SetItem::Word);
        }
        self.non_reserved().map(SetItem::Word)
    }

    fn reset(&mut self) -> Result<Statement> {
        self.expect(K::Reset)?;
        let name = self.shown_name()?;
        Ok(Statement::Set(Set { scope: SetScope::Session, name, value: SetValue::Default }))
    }

    fn show(&mut self) -> Result<Statement> {
        self.expect(K::Show)?;
        self.shown_name().map(Statement::Show)
    }

    /// What SHOW and RESET take.
    fn shown_name(&mut self) -> Result<Ident> {
        Ok(if self.eat_all(&[K::Time, K::Zone]) {
            "timezone".into()
        } else if self.eat_all(&[K::Transaction, K::Isolation, K::Level]) {
            "transaction_isolation".into()
        } else if self.eat_all(&[K::Session, K::Authorization]) {
            "session_authorization".into()
        } else if self.eat(K::All) {
            "all".into()
        } else {
            self.setting_name()?
        })
    }

    fn discard(&mut self) -> Result<Statement> {
        self.expect(K::Discard)?;
        let what = match self.keyword() {
            Some(K::All) => Discard::All,
            Some(K::Plans) => Discard::Plans,
            Some(K::Sequences) => Discard::Sequences,
            Some(K::Temp | K::Temporary) => Discard::Temporary,
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok(Statement::Discard(what))
    }

    fn notify(&mut self) -> Result<Statement> {
        self.expect(K::Notify)?;
        let name = self.column_id()?;
        if self.eat_punctuation(b',') {
            self.string_literal().ok_or_else(|| self.unexpected())?;
        }
        Ok(Statement::Notify(name))
    }

    /// `[ONLY] name [*]`, apart by commas.
    pub fn relation_names(&mut self) -> Result<Vec<Name>> {
        self.comma_list(|p| match p.relation()? {
            crate::sql::statement::FromItem::Table { name, .. } => Ok(name),
            _ => Err(p.unexpected()),
        })
    }

    fn lock(&mut self) -> Result<Statement> {
        self.expect(K::Lock)?;
        self.eat(K::Table);
        let tables = self.relation_names()?;
        if self.eat(K::In) {
            while self.eat_any(&[K::Access, K::Row, K::Share, K::Update, K::Exclusive]) {}
            if !self.eat_word("mode") {
                return Err(self.unexpected());
            }
        }
        self.eat(K::Nowait);
        Ok(Statement::Lock(tables))
    }

    fn truncate(&mut self) -> Result<Statement> {
        self.expect(K::Truncate)?;
        self.eat(K::Table);
        let tables = self.relation_names()?;
        if self.eat_any(&[K::Restart, K::Continue]) {
            self.expect(K::Identity)?;
        }
        self.eat_any(&[K::Cascade, K::Restrict]);
        Ok(Statement::Truncate(tables))
    }

    fn explain(&mut self) -> Result<Statement> {
        self.expect(K::Explain)?;
        let mut analyze = false;
        let mut format = ExplainFormat::Text;
        if self.is_punctuation(b'(') && !self.starts_query() {
            self.parenthesised(|p| p.explain_option(&mut analyze, &mut format))?;
        } else {
            analyze = self.eat_any(&[K::Analyze, K::Analyse]);
            self.eat(K::Verbose);
        }
        let statement = self.statement()?;
        Ok(Statement::Explain(Box::new(Explain { analyze, format, statement })))
    }

    fn explain_option(&mut self, analyze: &mut bool, format: &mut ExplainFormat) -> Result<()> {
        let name = self.label()?;
        let value = match self.kind() {
            TokenKind::Word | TokenKind::QuotedIdent => Some(self.label()?),
            // The tree can't depend on what a literal says.
            TokenKind::Literal(_) if matches!(&*name, "analyze" | "analyse" | "format") => {
                return Err(self.unsupported("an option of EXPLAIN that is a literal"));
            }
            TokenKind::Literal(_) => {
                self.advance();
                None
            }
            _ => None,
        };
        match (&*name, value.as_deref()) {
            ("analyze" | "analyse", value) => {
                *analyze = match value {
                    None | Some("true" | "on") => true,
                    Some("false" | "off") => false,
                    Some(_) => return Err(self.unexpected()),
                }
            }
            ("format", Some("text")) => *format = ExplainFormat::Text,
            ("format", Some("json")) => *format = ExplainFormat::Json,
            ("format", Some("xml")) => *format = ExplainFormat::Xml,
            ("format", Some("yaml")) => *format = ExplainFormat::Yaml,
            ("format", _) => return Err(self.unexpected()),
            _ => {}
        }
        Ok(())
    }

    fn maintenance(&mut self, first: K) -> Result<Statement> {
        let verb = first.text().to_ascii_uppercase().replace("ANALYSE", "ANALYZE");
        self.advance();
        let mut tables = Vec::new();
        if self.is_punctuation(b'(') {
            self.skip_parens()?;
        }
        if first == K::Reindex {
            return self.reindex(verb.into());
        }
        while self.eat_any(&[K::Full, K::Freeze, K::Verbose, K::Analyze, K::Analyse]) {}
        if first == K::Cluster {
            if !self.at_end() {
                let name = self.qualified_name()?;
                // `CLUSTER index ON table`, as it was written long ago.
                tables.push(if self.eat(K::On) { self.qualified_name()? } else { name });
                if self.eat(K::Using) {
                    self.column_id()?;
                }
            }
        } else if !self.at_end() {
            tables = self.comma_list(|p| {
                let name = p.relation_names_one()?;
                p.optional_columns()?;
                Ok(name)
            })?;
        }
        Ok(Statement::Maintenance(Maintenance { verb: verb.into(), tables }))
    }

    fn relation_names_one(&mut self) -> Result<Name> {
        match self.relation()? {
            crate::sql::statement::FromItem::Table { name, .. } => Ok(name),
            _ => Err(self.unexpected()),
        }
    }

    /// REINDEX names a table only in one of its forms.
    fn reindex(&mut self, verb: Box<str>) -> Result<Statement> {
        let table = self.eat(K::Table);
        if !table && !self.eat_any(&[K::Index, K::Schema, K::Database, K::System]) {
            return Err(self.unexpected());
        }
        self.eat(K::Concurrently);
        let mut tables = Vec::new();
        if !self.at_end() {
            let name = self.qualified_name()?;
            if table {
                tables.push(name);
            }
        }
        Ok(Statement::Maintenance(Maintenance { verb, tables }))
    }

    /// Goes behind the parenthesis that closes the one that stands here.
    pub fn skip_parens(&mut self) -> Result<()> {
        let mut depth = 0usize;
        loop {
            match self.kind() {
                TokenKind::End => return Err(self.unexpected()),
                TokenKind::Punctuation(b'(') => depth += 1,
                TokenKind::Punctuation(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.advance();
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn call_statement(&mut self) -> Result<Statement> {
        self.expect(K::Call)?;
        let mut parts = vec![self.label()?];
        while self.eat_punctuation(b'.') {
            parts.push(self.label()?);
        }
        let procedure = self.name_of(parts)?;
        let call = self.call(procedure.clone())?;
        Ok(Statement::Call { procedure, arguments: call.arguments })
    }
}
