//! What a statement is, in pgherd's own words.
//!
//! The tree holds what routing has to know: which tables, joined how, under which
//! conditions, which functions, read or written. It is complete in that every table,
//! function, parameter and subquery of the text stands somewhere in it; what has no
//! meaning of its own for routing becomes [`Expr::Other`] with its operands.
//!
//! Literals are not in the tree: a literal is a *slot* in the [`Literals`](super::Literals)
//! of one text, so that statements that differ in their literals only share a tree.

use std::ops::Range;

/// An identifier as Postgres would store it: folded to lower case unless it was quoted,
/// cut to 63 bytes.
pub type Ident = Box<str>;

/// A possibly qualified name: `users`, `public.users`, `app.public.users`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    pub schema: Option<Ident>,
    pub name: Ident,
}

/// Index of a literal, or of a folded list of literals, in the text's [`Literals`](super::Literals).
pub type LiteralSlot = u32;

#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// SELECT, VALUES, TABLE; also SELECT … INTO (then [`Select::into`] is set).
    Query(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Merge(Box<Merge>),
    Copy(Box<Copy>),
    Explain(Box<Explain>),
    Transaction(Transaction),
    /// SET, RESET, SET LOCAL, SET TIME ZONE, SET ROLE, SET SESSION AUTHORIZATION.
    Set(Set),
    Show(Ident),
    Discard(Discard),
    /// SQL-level PREPARE.
    Prepare {
        name: Ident,
        statement: Box<Statement>,
    },
    Execute {
        name: Ident,
        arguments: Vec<Expr>,
    },
    /// `None` is DEALLOCATE ALL.
    Deallocate(Option<Ident>),
    Declare(Declare),
    Fetch(Fetch),
    /// `None` is CLOSE ALL.
    Close(Option<Ident>),
    Listen(Ident),
    Unlisten(Option<Ident>),
    Notify(Ident),
    /// LOCK TABLE.
    Lock(Vec<Name>),
    Truncate(Vec<Name>),
    /// VACUUM, ANALYZE, CLUSTER, REINDEX, CHECKPOINT: no table named means all.
    Maintenance(Maintenance),
    Ddl(Ddl),
    /// CALL procedure(…)
    Call {
        procedure: Name,
        arguments: Vec<Expr>,
    },
    /// DO: a body in a procedural language; what it touches can't be known.
    Do,
    /// Recognised by its leading words but not analysed; the words, upper case.
    Other(Box<str>),
    /// Nothing but white space and comments.
    Empty,
}

/// DECLARE … CURSOR.
#[derive(Debug, Clone, PartialEq)]
pub struct Declare {
    pub name: Ident,
    pub binary: bool,
    /// SCROLL, or NO SCROLL; as written, if written.
    pub scroll: Option<bool>,
    /// Two of its options can't be together: Postgres says so.
    pub contradicts: bool,
    pub hold: bool,
    /// The token at which its query begins, which is all the rest.
    pub query_at: u32,
    pub query: Box<Query>,
}

/// FETCH or MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    pub cursor: Ident,
    /// MOVE: the rows aren't wanted.
    pub moves: bool,
    pub way: FetchWay,
    pub count: FetchCount,
}

/// In which direction, and what its count means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchWay {
    Forward,
    Backward,
    Absolute,
    Relative,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchCount {
    Number(i64),
    Literal { slot: LiteralSlot, negative: bool },
    All,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    pub with: Vec<Cte>,
    pub recursive: bool,
    pub body: SetExpr,
    pub order_by: Vec<Expr>,
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
    /// FETCH FIRST … WITH TIES. (LIMIT ALL is `Some(Null)`, FETCH FIRST ROW an empty `Other`.)
    pub with_ties: bool,
    /// FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE or FOR KEY SHARE.
    pub locks_rows: bool,
    /// Of which of its tables, by the names that they have in FROM; `None` is of all.
    pub locks_of: Option<Vec<Ident>>,
    /// How it is ordered: one for each of `order_by`.
    pub order: Vec<Ordering>,
    /// LIMIT, OFFSET and FETCH, from the first to the last; empty where there is none.
    pub limits: Tokens,
}

/// Where something stands, counted in tokens of its statement (a folded list is one), so that it
/// is the same place in all texts of one fingerprint.
pub type Tokens = Range<u32>;

/// An expression's tokens as they were written, one behind the other; `None` where a literal is
/// among them, since that is another in each text of a fingerprint. Trees leave out what routing has
/// no use for, such as which operator it was: only of equal wordings are two expressions the same.
pub type Wording = Option<Box<[u8]>>;

/// One expression of ORDER BY.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ordering {
    /// The expression's.
    pub tokens: Tokens,
    pub wording: Wording,
    pub descending: bool,
    /// As written, if written.
    pub nulls_first: Option<bool>,
    /// `USING operator`
    pub using: bool,
    /// It ends with `COLLATE "C"`, so that it is ordered by bytes.
    pub bytewise: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cte {
    pub name: Ident,
    /// The column aliases, if given.
    pub columns: Vec<Ident>,
    /// Query, Insert, Update, Delete or Merge.
    pub statement: Statement,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SetExpr {
    Select(Box<Select>),
    Values(Vec<Vec<Expr>>),
    Nested(Box<Query>),
    SetOperation { operator: SetOperator, all: bool, left: Box<SetExpr>, right: Box<SetExpr> },
}

impl Default for SetExpr {
    fn default() -> Self {
        SetExpr::Values(Vec::new())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOperator {
    Union,
    Intersect,
    Except,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Select {
    pub distinct: Distinct,
    pub items: Vec<SelectItem>,
    /// Comma-separated: joined by an inner join without a condition.
    pub from: Vec<FromItem>,
    pub filter: Option<Expr>,
    /// What stands between the ANDs of `filter`, in order.
    pub conjuncts: Vec<Conjunct>,
    pub group_by: GroupBy,
    pub having: Option<Expr>,
    /// Partition and order expressions of the WINDOW clause.
    pub windows: Vec<Expr>,
    /// INTO TEMP has the schema `pg_temp`.
    pub into: Option<Name>,
    /// COLLATE stands somewhere in it.
    pub collates: bool,
    /// The expressions of `items`, without their labels.
    pub item_tokens: Vec<Tokens>,
    /// Of the same.
    pub item_wordings: Vec<Wording>,
    /// Of the expressions of DISTINCT ON.
    pub distinct_wordings: Vec<Wording>,
    pub clauses: Clauses,
    /// The token behind the last item, where another one could stand; `None` for TABLE.
    pub items_end: Option<u32>,
}

/// One of the expressions between which AND stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conjunct {
    pub tokens: Tokens,
    /// How many operands of the [`Expr::And`] it is: several where it is one in parentheses.
    pub terms: usize,
}

/// Where the clauses of a SELECT begin, or could.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clauses {
    /// The word SELECT.
    pub select: u32,
    pub from: u32,
    pub groups: u32,
    /// HAVING: behind GROUP BY.
    pub having: u32,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub enum Distinct {
    #[default]
    No,
    Rows,
    On(Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupBy {
    pub expressions: Vec<Expr>,
    /// Those of the expressions, where there are no grouping sets.
    pub tokens: Vec<Tokens>,
    /// Of the same.
    pub wordings: Vec<Wording>,
    /// ROLLUP, CUBE or GROUPING SETS was used (also an empty `()`).
    pub grouping_sets: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SelectItem {
    /// `*`
    Wildcard,
    /// `t.*`
    QualifiedWildcard(Name),
    Expr {
        expr: Expr,
        alias: Option<Ident>,
    },
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Alias {
    pub name: Option<Ident>,
    pub columns: Vec<Ident>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FromItem {
    /// A table, view or CTE by name.
    Table {
        name: Name,
        alias: Alias,
        sampled: bool,
        /// The name, with ONLY and `*`; of `TABLE t` from the word TABLE on.
        tokens: Tokens,
    },
    Derived {
        query: Box<Query>,
        alias: Alias,
        lateral: bool,
    },
    /// A function in FROM, or ROWS FROM, or an XMLTABLE/JSON_TABLE: its argument expressions,
    /// the function call itself among them.
    Function {
        calls: Vec<Expr>,
        alias: Alias,
        lateral: bool,
    },
    Join {
        left: Box<FromItem>,
        right: Box<FromItem>,
        kind: JoinKind,
        on: JoinOn,
        /// Of the whole join in parentheses, which hides the names inside, or of the columns
        /// of USING, which hides none.
        alias: Alias,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Also CROSS.
    Inner,
    Left,
    Right,
    Full,
}

#[derive(Debug, Clone, PartialEq)]
pub enum JoinOn {
    None,
    Condition(Expr),
    Using(Vec<Ident>),
    Natural,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// `a`, `t.a`, `s.t.a`: the parts as written, at least one.
    Column(Vec<Ident>),
    /// `t.*` or `*` inside an expression (`count(*)`, `row(t.*)`).
    Wildcard(Option<Name>),
    /// `$n`, n from 1.
    Parameter(u16),
    Literal(LiteralSlot),
    /// All literals of `IN (…)` or `ARRAY[…]`, folded into one slot.
    LiteralList(LiteralSlot),
    Null,
    Bool(bool),
    Default,
    Cast {
        expr: Box<Expr>,
        to: TypeName,
    },
    /// At least two, none of them an `And`.
    And(Vec<Expr>),
    /// At least two, none of them an `Or`.
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// Unary minus.
    Negate(Box<Expr>),
    /// The plain `=` of pg_catalog.
    Equal(Box<Expr>, Box<Expr>),
    /// `expr [NOT] BETWEEN low AND high`; SYMMETRIC becomes `Other`.
    Between {
        expr: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    /// `<`, `<=`, `>`, `>=` of pg_catalog.
    Compare {
        operator: Compare,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    IsNull {
        expr: Box<Expr>,
        negated: bool,
    },
    /// `expr [NOT] IN (list)`; the list may hold one `LiteralList`.
    InList {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        expr: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    /// `expr = ANY (array)`; other operators and ALL become `Other`.
    EqualAny {
        expr: Box<Expr>,
        array: Box<Expr>,
    },
    Array(Vec<Expr>),
    /// `(a, b)` or `ROW(a, b)`.
    Row(Vec<Expr>),
    Function(Box<Function>),
    /// A scalar subquery, or ARRAY(subquery), or `op ANY/ALL (subquery)` with its left side in `Other`.
    Subquery(Box<Query>),
    Exists(Box<Query>),
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    /// Any other operator or construct: only its operands matter. Chains of operators are
    /// flat. `(f(x)).*` and `(row).*` hold a `Wildcard(None)` behind their base, `(row).f` a
    /// `Field`.
    Other(Vec<Expr>),
    /// `.f` behind a value: its field, or else a call of the function `f` with it.
    Field(Ident),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A type as written: `bigint`, `varchar(10)`, `pg_catalog.int4[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeName {
    /// Lower case, spelled as the server spells it in `pg_type.typname` where the grammar
    /// has names of its own: `bigint` → `int8`, `character varying` → `varchar`.
    pub name: Name,
    /// A length, precision or scale was given.
    pub modified: bool,
    /// The number of `[]`.
    pub dimensions: u8,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Function {
    /// What the grammar itself provides is in `pg_catalog`, by the name that its column
    /// gets: `coalesce`, `extract`, `btrim`, `current_date`, `xmlelement` … All of that is
    /// immutable or stable and reads no table.
    pub name: Option<Name>,
    /// Positional and named arguments, FILTER, ORDER BY and WITHIN GROUP expressions.
    pub arguments: Vec<Expr>,
    /// `count(*)`
    pub star: bool,
    pub distinct: bool,
    /// FILTER (WHERE …) was given.
    pub filtered: bool,
    /// ORDER BY inside the call, or WITHIN GROUP.
    pub ordered: bool,
    /// OVER: the partition and order expressions of an inline window; `Some` of an empty
    /// list for a named one.
    pub over: Option<Vec<Expr>>,
    pub tokens: CallTokens,
}

/// Where the parts of a call stand. That is no part of what it is: all are equal.
#[derive(Debug, Clone, Default)]
pub struct CallTokens {
    /// From its name to its end, with what follows the parentheses.
    pub all: Tokens,
    /// The word DISTINCT; empty where it isn't.
    pub distinct: Tokens,
    /// What stands in the parentheses behind DISTINCT, without ORDER BY.
    pub arguments: Tokens,
    /// The condition of FILTER; empty where there is none.
    pub filter: Tokens,
}

impl PartialEq for CallTokens {
    fn eq(&self, _: &CallTokens) -> bool {
        true
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Insert {
    pub with: Vec<Cte>,
    pub recursive: bool,
    pub table: Option<Name>,
    pub alias: Option<Ident>,
    /// Empty when no column list was written.
    pub columns: Vec<Ident>,
    /// OVERRIDING USER VALUE: values given for identity columns don't count.
    pub overriding_user: bool,
    /// OVERRIDING SYSTEM VALUE: they do, whatever the column says.
    pub overriding_system: bool,
    pub source: InsertSource,
    /// Where each row of VALUES stands, with its parentheses, or the words DEFAULT VALUES; empty
    /// where the source is anything else, or VALUES in parentheses.
    pub rows: Vec<Tokens>,
    pub on_conflict: Option<OnConflict>,
    pub returning: Vec<SelectItem>,
    /// Where the word INSERT stands, behind WITH.
    pub begins: u32,
    /// Where the source stands.
    pub source_at: Tokens,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub enum InsertSource {
    #[default]
    DefaultValues,
    Query(Box<Query>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct OnConflict {
    pub target: ConflictTarget,
    /// `None` is DO NOTHING.
    pub update: Option<ConflictUpdate>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ConflictTarget {
    /// Any unique constraint.
    Any,
    /// Plain columns; expressions of an index are in `other`.
    Columns {
        columns: Vec<Ident>,
        other: Vec<Expr>,
        filter: Option<Expr>,
    },
    Constraint(Ident),
}

#[derive(Debug, Clone, PartialEq)]
pub struct ConflictUpdate {
    pub assignments: Vec<Assignment>,
    pub filter: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// One column, or several for `(a, b) = …`. A subscript or field (`a[1] = …`) is the
    /// column with `partial` set.
    pub columns: Vec<Ident>,
    pub partial: bool,
    pub value: Expr,
    /// Where the value stands.
    pub value_at: Tokens,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Update {
    pub with: Vec<Cte>,
    pub recursive: bool,
    pub table: Option<Name>,
    pub alias: Option<Ident>,
    pub assignments: Vec<Assignment>,
    pub from: Vec<FromItem>,
    pub filter: Option<Expr>,
    /// WHERE CURRENT OF cursor.
    pub current_of: Option<Ident>,
    pub returning: Vec<SelectItem>,
    /// Where its table stands, with its alias.
    pub table_at: Tokens,
    /// Where the condition stands, without WHERE; empty where that would stand.
    pub filter_at: Tokens,
    /// Where the list of RETURNING stands; empty where there is none.
    pub returning_at: Tokens,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Delete {
    pub with: Vec<Cte>,
    pub recursive: bool,
    pub table: Option<Name>,
    pub alias: Option<Ident>,
    pub using: Vec<FromItem>,
    pub filter: Option<Expr>,
    pub current_of: Option<Ident>,
    pub returning: Vec<SelectItem>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    pub with: Vec<Cte>,
    pub recursive: bool,
    pub table: Name,
    pub alias: Option<Ident>,
    pub source: FromItem,
    pub on: Expr,
    pub clauses: Vec<MergeClause>,
    pub returning: Vec<SelectItem>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MergeClause {
    /// WHEN NOT MATCHED BY SOURCE: about each row of the target that no row of the source matches.
    pub by_source: bool,
    /// OVERRIDING USER VALUE in its INSERT.
    pub overriding_user: bool,
    pub condition: Option<Expr>,
    pub action: MergeAction,
}

#[derive(Debug, Clone, PartialEq)]
pub enum MergeAction {
    Nothing,
    Delete,
    Update(Vec<Assignment>),
    /// `values` is empty for DEFAULT VALUES.
    Insert {
        columns: Vec<Ident>,
        values: Vec<Expr>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    pub what: CopyWhat,
    pub direction: CopyDirection,
    /// The statement in parentheses, where it is one.
    pub inner: Option<Tokens>,
    pub options: Vec<CopyOption>,
    /// COPY … WHERE.
    pub filter: Option<Expr>,
}

/// An option of COPY, in either style of writing them: BINARY is `format` with the word `binary`,
/// FORCE QUOTE is `force_quote`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOption {
    pub name: Ident,
    pub value: CopyValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyValue {
    None,
    Word(Ident),
    Literal(LiteralSlot),
    Star,
    Names(Vec<Ident>),
    /// Of no kind that an option has.
    Other,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CopyWhat {
    Table {
        name: Name,
        columns: Vec<Ident>,
        /// The token behind the name: a list of columns can be put in there.
        behind_name: u32,
    },
    /// Query, or a data-modifying statement with RETURNING.
    Statement(Box<Statement>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyDirection {
    FromStdin,
    ToStdout,
    /// A file or a program on the server.
    Server,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// EXPLAIN ANALYZE runs the statement.
    pub analyze: bool,
    pub format: ExplainFormat,
    pub statement: Statement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExplainFormat {
    #[default]
    Text,
    Json,
    Xml,
    Yaml,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transaction {
    /// BEGIN or START TRANSACTION. `read_only` as written, if written.
    Begin {
        read_only: Option<bool>,
    },
    /// COMMIT or END; AND CHAIN.
    Commit {
        chain: bool,
    },
    /// ROLLBACK or ABORT; AND CHAIN.
    Rollback {
        chain: bool,
    },
    Savepoint(Ident),
    Release(Ident),
    RollbackTo(Ident),
    /// SET TRANSACTION …
    Characteristics,
    /// SET CONSTRAINTS …
    Constraints,
    PrepareTransaction,
    CommitPrepared,
    RollbackPrepared,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    pub scope: SetScope,
    /// Lower case: `search_path`, `timezone`, `role`, `pgherd.shard`; `all` for RESET ALL.
    pub name: Ident,
    pub value: SetValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetScope {
    Session,
    /// SET LOCAL
    Transaction,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SetValue {
    /// SET … TO DEFAULT, RESET
    Default,
    /// The words and literals on the right side, as written in the text, comma-separated
    /// values apart. Literals are read, so the statement's plan is of its exact text.
    Values(Vec<SetItem>),
    /// SET … FROM CURRENT, or anything not understood.
    Opaque,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SetItem {
    Word(Ident),
    Literal(LiteralSlot),
    /// A minus sign before a number.
    NegativeLiteral(LiteralSlot),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    All,
    Plans,
    Sequences,
    Temporary,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Maintenance {
    /// `VACUUM`, `ANALYZE`, …
    pub verb: Box<str>,
    pub tables: Vec<Name>,
}

/// A statement that defines: CREATE, ALTER, DROP, COMMENT, GRANT, REVOKE, SECURITY LABEL,
/// REFRESH, IMPORT FOREIGN SCHEMA, REASSIGN OWNED, DROP OWNED …
#[derive(Debug, Clone, PartialEq)]
pub struct Ddl {
    /// The first words, upper case, as in a command tag: `CREATE TABLE`, `ALTER TABLE`, `DROP INDEX`.
    pub tag: Box<str>,
    /// Tables that the statement names and that are known from its grammar: created,
    /// altered, dropped, indexed, referenced. Not complete for all of DDL.
    pub tables: Vec<Name>,
    /// CREATE TABLE … AS, CREATE MATERIALIZED VIEW … AS: its rows come from here.
    /// (A CREATE VIEW has none: it stores no rows.)
    pub rows_from: Option<Box<Query>>,
    /// CREATE TEMP …
    pub temporary: bool,
    /// Can't run in a transaction block: CREATE INDEX CONCURRENTLY, CREATE DATABASE, …
    pub outside_transaction: bool,
}
