"""SQLAlchemy 2 with psycopg and with asyncpg: see README.md."""

import asyncio
import datetime as dt
import decimal
import uuid

import sqlalchemy as sa
from common import CLIENTS, DSN, say
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

URL = DSN.removeprefix("postgresql")


class Base(orm.DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "alchemy_users"
    id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, primary_key=True)
    name: orm.Mapped[str]
    balance: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(20, 4), default=0)
    about: orm.Mapped[dict] = orm.mapped_column(pg.JSONB, default=dict)
    words: orm.Mapped[list[str]] = orm.mapped_column(pg.ARRAY(sa.Text), default=list)
    tag: orm.Mapped[uuid.UUID | None]
    at: orm.Mapped[dt.datetime | None] = orm.mapped_column(sa.DateTime(timezone=True))
    posts: orm.Mapped[list["Post"]] = orm.relationship(back_populates="user", cascade="all, delete-orphan", order_by="Post.id")

    def __repr__(self):
        return f"User({self.id}, {self.name}, {self.balance}, {self.about}, {self.words}, {self.tag}, {self.at})"


class Post(Base):
    __tablename__ = "alchemy_posts"
    user_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(User.id), primary_key=True)
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True, autoincrement=False)
    body: orm.Mapped[str]
    user: orm.Mapped[User] = orm.relationship(back_populates="posts")


def user(i):
    return User(
        id=i, name=f"n{i}", balance=decimal.Decimal(i) / 4, about={"i": [i, None]}, words=["a", f"ü{i}"],
        tag=uuid.UUID(int=i), at=dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc) + dt.timedelta(hours=i),
        posts=[Post(id=n, body=f"post {n}") for n in range(3)],
    )


def code(error):
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig.__cause__, "sqlstate", None)


def work(session):
    """What an application does; the same for both drivers."""
    for i in range(1, 21):
        session.add(user(i))
        session.commit()
    say("got", session.get(User, 7), [p.body for p in session.get(User, 7).posts])
    found = session.get(User, 8)
    found.name = "changed"
    found.posts.pop()
    session.commit()
    session.expire_all()
    say("changed", found, len(found.posts))
    session.add(User(id=8, name="twice"))
    session.expunge(found)
    try:
        session.commit()
    except sa.exc.IntegrityError as error:
        say("twice", code(error))
        session.rollback()
    with session.begin_nested() as inner:
        session.execute(sa.update(User).where(User.id == 9).values(name="inner"))
        inner.rollback()
    say("after savepoint", session.scalar(sa.select(User.name).where(User.id == 9)))
    say("joined", session.execute(
        sa.select(User.name, sa.func.count(Post.id)).join(User.posts).where(User.id == 3).group_by(User.name)).all())
    say("eager", [len(u.posts) for u in session.scalars(
        sa.select(User).options(orm.selectinload(User.posts)).where(User.id == 4))])
    say("upsert", session.execute(
        pg.insert(User).values(id=5, name="x", balance=0, about={}, words=[])
        .on_conflict_do_update(index_elements=[User.id], set_={"name": "up"}).returning(User.id, User.name)).all())
    say("locked", session.scalar(sa.select(User.id).where(User.id == 6).with_for_update()))
    session.commit()
    # Ids from the sequence, some of which are taken.
    for attempt in range(40):
        session.add_all([User(name=f"many {i}") for i in range(50)])
        try:
            session.commit()
            break
        except sa.exc.IntegrityError:
            session.rollback()
    say("many", session.scalar(sa.select(sa.func.count()).where(User.name.like("many%"))))
    say("aggregated", session.execute(sa.select(sa.func.count(), sa.func.sum(User.balance)).where(~User.name.like("many%"))).one())
    say("ordered", session.scalars(sa.select(User.id).where(User.id < 21, User.balance > 0).order_by(User.balance.desc()).limit(3).offset(1)).all())
    say("bulk", session.execute(sa.delete(Post).where(Post.id == 2)).rowcount)
    session.rollback()
    say("gone", session.execute(sa.delete(Post).where(Post.user_id == 9)).rowcount)
    session.commit()


def tables(connection):
    Base.metadata.drop_all(connection)
    Base.metadata.create_all(connection)
    connection.commit()


def reflect(connection):
    inspector = sa.inspect(connection)
    say("columns", [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns("alchemy_users")])
    say("keys", inspector.get_pk_constraint("alchemy_posts")["constrained_columns"],
        [k["referred_table"] for k in inspector.get_foreign_keys("alchemy_posts")])


def with_psycopg():
    # A ping before each use, and more sessions at once than the servers' connections.
    engine = sa.create_engine("postgresql+psycopg" + URL, pool_size=CLIENTS, pool_pre_ping=True)
    with engine.connect() as connection:
        tables(connection)
        reflect(connection)
        say("dialect", engine.dialect.server_version_info[0], engine.dialect.default_schema_name)
    with orm.Session(engine) as session:
        work(session)
    sessions = [orm.Session(engine) for _ in range(3)]
    say("at once", [s.scalar(sa.select(User.name).where(User.id == 10)) for s in sessions])
    for session in sessions:
        session.close()
    with engine.connect() as connection:
        rows = connection.execution_options(stream_results=True, max_row_buffer=5).execute(sa.select(User.id).where(User.balance > 0).order_by(User.id).limit(20))
        say("streamed", [row.id for row in rows])
    for level in ("SERIALIZABLE", "AUTOCOMMIT", "REPEATABLE READ"):
        with engine.connect().execution_options(isolation_level=level) as connection:
            say(level, connection.scalar(sa.text("SHOW transaction_isolation")))
    with engine.connect() as connection:
        Base.metadata.drop_all(connection)
        connection.commit()
    engine.dispose()


async def with_asyncpg():
    engine = create_async_engine("postgresql+asyncpg" + URL, pool_size=CLIENTS, pool_pre_ping=True)
    async with engine.connect() as connection:
        await connection.run_sync(tables)
        await connection.run_sync(reflect)
    async with AsyncSession(engine) as session:
        await session.run_sync(work)

    async def one(i):
        async with AsyncSession(engine) as session:
            return await session.scalar(sa.select(User.name).where(User.id == i))
    say("at once", await asyncio.gather(*[one(i) for i in range(1, 21)]))
    async with engine.connect() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.commit()
    await engine.dispose()


print("== psycopg")
with_psycopg()
print("== asyncpg")
asyncio.run(with_asyncpg())
