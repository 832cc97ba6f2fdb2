//! A small social network, made from a seed: the same seed gives the same rows everywhere.

/// The user whom half of all others follow.
pub const CELEBRITY: i64 = 1;

/// Entries of a timeline.
const TIMELINE: usize = 10;

/// 2026-01-01 00:00:00 UTC in seconds of the Unix epoch; the network is a year old by then.
const NOW: i64 = 1_767_225_600;
const YEAR: u64 = 31_536_000;

/// Codes and names of the reference table.
pub const COUNTRIES: &[(&str, &str)] = &[
    ("AR", "Argentina"),
    ("AU", "Australia"),
    ("BR", "Brazil"),
    ("CA", "Canada"),
    ("CH", "Switzerland"),
    ("DE", "Germany"),
    ("EG", "Egypt"),
    ("ES", "Spain"),
    ("FR", "France"),
    ("GB", "United Kingdom"),
    ("GR", "Greece"),
    ("IN", "India"),
    ("IT", "Italy"),
    ("JP", "Japan"),
    ("KE", "Kenya"),
    ("MX", "Mexico"),
    ("NG", "Nigeria"),
    ("NL", "Netherlands"),
    ("PL", "Poland"),
    ("US", "United States"),
];

const FIRST: &[&str] = &[
    "Alan", "Alice", "Amara", "Bruno", "Chen", "Clara", "Dario", "Elif", "Emma", "Farid", "Grace",
    "Hana", "Ivan", "Jonas", "Kofi", "Leila", "Linus", "Maria", "Nadia", "Noor", "Olga", "Pablo",
    "Priya", "Ravi", "Rosa", "Sven", "Tomas", "Uma", "Vera", "Wei", "Yara", "Zoe",
];
const LAST: &[&str] = &[
    "Abe", "Baker", "Costa", "Diaz", "Evans", "Fischer", "Garcia", "Haddad", "Ito", "Jensen",
    "Kim", "Lopez", "Moreau", "Nowak", "Okafor", "Patel", "Quinn", "Rossi", "Silva", "Tanaka",
    "Usman", "Vogel", "Wang", "Young", "Zhang",
];
const OPENINGS: &[&str] = &[
    "Reading about",
    "Just finished a talk on",
    "Can anyone recommend a book on",
    "Three things I learned about",
    "A short thread on",
    "Still thinking about",
    "Coffee and",
];
const SUBJECTS: &[&str] = &[
    "consistent hashing",
    "replication lag",
    "two-phase commit",
    "B-trees",
    "hot keys",
    "write-ahead logs",
    "bicycles",
    "mountain weather",
    "sourdough",
    "chess endings",
    "old maps",
    "query planners",
];

/// A user, and all rows that lie with the user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    pub id: i64,
    pub name: String,
    /// A code of [`COUNTRIES`].
    pub country: &'static str,
    /// Seconds of the Unix epoch.
    pub joined: i64,
    pub posts: Vec<Post>,
    /// Whom this user follows, each once.
    pub follows: Vec<i64>,
    /// Who follows this user: `follows` of the others, turned round.
    pub followers: Vec<i64>,
    /// Author and post, each pair once.
    pub likes: Vec<(i64, i64)>,
    /// The newest posts of those whom this user follows, the newest first.
    pub timeline: Vec<Entry>,
}

impl Person {
    /// Rows over all tables.
    pub fn rows(&self) -> u64 {
        let lists = [
            self.posts.len(),
            self.follows.len(),
            self.followers.len(),
            self.likes.len(),
            self.timeline.len(),
        ];
        1 + lists.iter().map(|n| *n as u64).sum::<u64>()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// From 1, for each user.
    pub id: i64,
    pub body: String,
    /// Seconds of the Unix epoch.
    pub written: i64,
    /// How many users like it.
    pub likes: i32,
}

/// A line of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub written: i64,
    pub author: i64,
    pub post: i64,
}

/// A network of `users` users, with ids from 1. At least two.
pub fn make(seed: u64, users: u32) -> Vec<Person> {
    let mut people: Vec<Person> =
        (1..=i64::from(users.max(2))).map(|id| person(seed, id, users.max(2))).collect();
    turn_follows_round(&mut people);
    for i in 0..people.len() {
        let likes = likes(&mut Dice::of(seed, people[i].id, 2), &people, &people[i]);
        for (author, post) in &likes {
            if let Some(post) = post_of(&mut people, *author, *post) {
                post.likes += 1;
            }
        }
        people[i].likes = likes;
        people[i].timeline = timeline(&people, &people[i]);
    }
    people
}

fn person(seed: u64, id: i64, users: u32) -> Person {
    let mut dice = Dice::of(seed, id, 1);
    let joined = NOW - 2 * dice.below(YEAR) as i64 - YEAR as i64;
    let name = format!("{} {}", dice.pick(FIRST), dice.pick(LAST));
    let country = dice.pick_from(COUNTRIES).0;
    let wanted = if id == CELEBRITY { 50 } else { 2 + dice.below(9) };
    let posts = (1..=wanted as i64)
        .map(|post| Post {
            id: post,
            body: format!("{} {}.", dice.pick(OPENINGS), dice.pick(SUBJECTS)),
            written: NOW - dice.below(YEAR) as i64,
            likes: 0,
        })
        .collect();
    let follows = follows(&mut dice, id, users);
    Person { id, name, country, joined, posts, follows, ..Person::default() }
}

/// Low ids are followed more often than high ones, and the celebrity by half of all.
fn follows(dice: &mut Dice, id: i64, users: u32) -> Vec<i64> {
    let mut follows = Vec::new();
    if id != CELEBRITY && dice.below(2) == 0 {
        follows.push(CELEBRITY);
    }
    for _ in 0..4 + dice.below(13) {
        let (a, b) = (dice.below(users.into()), dice.below(users.into()));
        let other = 1 + a.min(b) as i64;
        if other != id && other != CELEBRITY && !follows.contains(&other) {
            follows.push(other);
        }
    }
    follows
}

fn turn_follows_round(people: &mut [Person]) {
    let pairs: Vec<(i64, i64)> =
        people.iter().flat_map(|p| p.follows.iter().map(|other| (*other, p.id))).collect();
    for (followed, follower) in pairs {
        if let Some(person) = by_id(people, followed) {
            person.followers.push(follower);
        }
    }
}

fn likes(dice: &mut Dice, people: &[Person], person: &Person) -> Vec<(i64, i64)> {
    let mut likes = Vec::new();
    for author in &person.follows {
        let Some(found) = people.get(*author as usize - 1) else { continue };
        let wanted = if *author == CELEBRITY { 5 } else { dice.below(3) };
        for _ in 0..wanted {
            let like = (*author, 1 + dice.below(found.posts.len() as u64) as i64);
            if !likes.contains(&like) {
                likes.push(like);
            }
        }
    }
    likes
}

fn timeline(people: &[Person], person: &Person) -> Vec<Entry> {
    let mut entries: Vec<Entry> = person
        .follows
        .iter()
        .filter_map(|author| people.get(*author as usize - 1))
        .flat_map(|author| {
            let entry =
                |post: &Post| Entry { written: post.written, author: author.id, post: post.id };
            author.posts.iter().map(entry)
        })
        .collect();
    entries.sort_unstable_by(|a, b| b.cmp(a));
    entries.truncate(TIMELINE);
    entries
}

fn by_id(people: &mut [Person], id: i64) -> Option<&mut Person> {
    people.get_mut(usize::try_from(id).ok()?.checked_sub(1)?)
}

fn post_of(people: &mut [Person], author: i64, post: i64) -> Option<&mut Post> {
    by_id(people, author)?.posts.get_mut(usize::try_from(post).ok()?.checked_sub(1)?)
}

/// SplitMix64 (Steele, Lea, Flood 2014): its numbers are fixed by its definition, so that
/// no library's next version makes another network.
struct Dice(u64);

impl Dice {
    /// Dice of their own for each user and purpose.
    fn of(seed: u64, id: i64, purpose: u64) -> Dice {
        let mut dice = Dice(seed ^ (id as u64).rotate_left(20) ^ purpose.rotate_left(56));
        dice.roll();
        dice
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n.max(1)
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        self.pick_from(list)
    }

    fn pick_from<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_gives_one_network() {
        let one = make(7, 300);
        assert_eq!(one, make(7, 300));
        assert_ne!(one, make(8, 300));
        assert_eq!(Dice(0).roll(), 0xE220_A839_7B1D_CDAF, "SplitMix64's first number of seed 0");
    }

    #[test]
    fn the_rows_fit_each_other() {
        let people = make(42, 500);
        let find = |id: i64| &people[id as usize - 1];
        let mut liked = HashSet::new();
        for person in &people {
            for other in &person.follows {
                assert!(find(*other).followers.contains(&person.id));
            }
            assert!(person.timeline.is_sorted_by(|a, b| a >= b));
            for like in &person.likes {
                assert!(liked.insert((person.id, *like)), "each post is liked once by each");
                assert!(find(like.0).posts.iter().any(|post| post.id == like.1));
            }
        }
        let counted: i64 = people.iter().flat_map(|p| &p.posts).map(|p| i64::from(p.likes)).sum();
        assert_eq!(counted, liked.len() as i64);
        assert!(find(CELEBRITY).followers.len() > 200);
    }

    #[test]
    fn the_demo_has_a_few_hundred_thousand_rows() {
        let rows: u64 = make(1, 10_000).iter().map(Person::rows).sum();
        assert!((300_000..700_000).contains(&rows), "{rows}");
    }
}
