//! From tokens to the tree (STIX 2.1 §9.3 to §9.7; the parser rules of the OASIS grammar).
//!
//! One function per rule, one token of lookahead. Chains of operators are loops; only parentheses
//! recurse, and no deeper than [`MAX_DEPTH`].

use super::constant::{constant, float, integer, kind, unquoted, whole};
use super::fault::Fault;
use super::lexer::{KEYWORDS, Kind, Lexer, Token};
use super::syntax::{Comparison, Condition, Constant, Observation, Path, Pattern, Qualifier, Relation, Step, Test};
use super::{MAX_DEPTH, objects};
use crate::stix::timestamp::Timestamp;
use std::mem::discriminant;

/// Reads a whole pattern.
pub(super) fn parse(text: &str) -> Result<Pattern, Fault> {
    let mut lexer = Lexer::new(text);
    let next = lexer.next()?;
    let mut parser = Parser { lexer, next, depth: 0 };
    let observation = parser.observations()?;
    match parser.next.kind {
        Kind::End => Ok(Pattern { observation }),
        _ => Err(parser.fault("AND, OR, FOLLOWEDBY, a qualifier such as WITHIN 5 SECONDS, or the end of the pattern")),
    }
}

struct Parser<'p> {
    lexer: Lexer<'p>,
    /// The token that is looked at, not yet taken.
    next: Token<'p>,
    /// Open parentheses.
    depth: usize,
}

/// Observations (§9.5).
impl Parser<'_> {
    fn observations(&mut self) -> Result<Observation, Fault> {
        self.chain("FOLLOWEDBY", Self::observations_or, Observation::FollowedBy)
    }

    fn observations_or(&mut self) -> Result<Observation, Fault> {
        self.chain("OR", Self::observations_and, Observation::Or)
    }

    fn observations_and(&mut self) -> Result<Observation, Fault> {
        self.chain("AND", Self::observation, Observation::And)
    }

    fn observation(&mut self) -> Result<Observation, Fault> {
        let observation = if self.at("(") {
            self.parenthesised(Self::observations, "AND, OR, FOLLOWEDBY, a qualifier such as WITHIN 5 SECONDS, or )")?
        } else {
            self.expect("[", "[, as in [ipv4-addr:value = '198.51.100.3'], or (")?;
            let condition = self.condition()?;
            self.expect("]", "AND, OR or ]")?;
            objects::one_object(&condition)?;
            Observation::Test(condition)
        };
        let qualifiers = self.qualifiers()?;
        let plain = qualifiers.is_empty();
        Ok(if plain { observation } else { Observation::Qualified(Box::new(observation), qualifiers) })
    }

    /// None of them twice (§9.5.1).
    fn qualifiers(&mut self) -> Result<Vec<Qualifier>, Fault> {
        let mut qualifiers: Vec<Qualifier> = Vec::new();
        loop {
            let keyword = self.next;
            let qualifier = match keyword.text {
                "WITHIN" => self.within()?,
                "REPEATS" => self.repeats()?,
                "START" => self.between()?,
                _ => return Ok(qualifiers),
            };
            if qualifiers.iter().any(|other| discriminant(other) == discriminant(&qualifier)) {
                let expected = "each kind of qualifier only once: with parentheses, a qualified observation can be qualified again";
                return Err(Fault::new(keyword.column, keyword.text, expected));
            }
            qualifiers.push(qualifier);
        }
    }

    fn within(&mut self) -> Result<Qualifier, Fault> {
        self.take()?;
        let seconds = match self.next.kind {
            Kind::Integer => whole(self.next.text).and_then(float),
            Kind::Float => float(self.next.text),
            _ => Err("a number of seconds"),
        };
        let seconds = seconds.map_err(|expected| self.fault(expected))?;
        if seconds <= 0.0 {
            return Err(self.fault("a number of seconds greater than 0"));
        }
        self.take()?;
        self.expect("SECONDS", "SECONDS")?;
        Ok(Qualifier::Within(seconds))
    }

    fn repeats(&mut self) -> Result<Qualifier, Fault> {
        self.take()?;
        let expected = "a whole number of times, greater than 0";
        let times = self.integer(expected)?;
        let times = u64::try_from(times).ok().filter(|times| *times > 0).ok_or_else(|| self.fault(expected))?;
        self.take()?;
        self.expect("TIMES", "TIMES")?;
        Ok(Qualifier::Repeats(times))
    }

    fn between(&mut self) -> Result<Qualifier, Fault> {
        self.take()?;
        let start = self.instant()?;
        self.take()?;
        self.expect("STOP", "STOP")?;
        let stop = self.instant()?;
        if stop <= start {
            return Err(self.fault("an instant after START"));
        }
        self.take()?;
        Ok(Qualifier::Between { start, stop })
    }

    /// The value of the token looked at, if it is a timestamp.
    fn instant(&self) -> Result<Timestamp, Fault> {
        match constant(self.next) {
            Ok(Constant::Timestamp(instant)) => Ok(instant),
            Err(expected) if self.next.kind == Kind::Timestamp => Err(self.fault(expected)),
            _ => Err(self.fault("a timestamp such as t'2025-02-26T00:00:00Z', with the t")),
        }
    }
}

/// Conditions of one observation (§9.6).
impl Parser<'_> {
    fn condition(&mut self) -> Result<Condition, Fault> {
        self.chain("OR", Self::condition_and, Condition::Or)
    }

    fn condition_and(&mut self) -> Result<Condition, Fault> {
        self.chain("AND", Self::condition_part, Condition::And)
    }

    fn condition_part(&mut self) -> Result<Condition, Fault> {
        match self.next.text {
            "(" => self.parenthesised(Self::condition, "AND, OR or )"),
            "NOT" | "EXISTS" => self.exists().map(Condition::Comparison),
            _ => self.comparison().map(Condition::Comparison),
        }
    }

    fn exists(&mut self) -> Result<Comparison, Fault> {
        let column = self.next.column;
        let negated = self.taken("NOT")?;
        self.expect(
            "EXISTS",
            "EXISTS: for other operators, NOT stands after the object path, as in file:name NOT = 'a'",
        )?;
        Ok(Comparison { column, path: self.path()?, negated, test: Test::Exists })
    }

    fn comparison(&mut self) -> Result<Comparison, Fault> {
        let column = self.next.column;
        let path = self.path()?;
        let negated = self.taken("NOT")?;
        Ok(Comparison { column, path, negated, test: self.test()? })
    }

    fn test(&mut self) -> Result<Test, Fault> {
        let operator = self.next;
        if let Some(relation) = relation(operator.text) {
            self.take()?;
            return Ok(Test::Is(relation, self.related(relation)?));
        }
        let test = match operator.text {
            "LIKE" => Test::Like,
            "MATCHES" => Test::Matches,
            "ISSUBSET" => Test::IsSubset,
            "ISSUPERSET" => Test::IsSuperset,
            "IN" => {
                self.take()?;
                return self.set().map(Test::In);
            }
            _ => {
                let operators = "=, !=, <, <=, >, >=, IN, LIKE, MATCHES, ISSUBSET or ISSUPERSET";
                return Err(self.fault(format!("an operator ({operators})")));
            }
        };
        self.take()?;
        if self.next.kind != Kind::String {
            return Err(self.fault(format!("a string in single quotes after {}", operator.text)));
        }
        self.take().map(|string| test(unquoted(string.text)))
    }

    /// A constant that can be in that relation: booleans have no order.
    fn related(&mut self, relation: Relation) -> Result<Constant, Fault> {
        let constant = constant(self.next).map_err(|expected| self.fault(expected))?;
        let ordering = !matches!(relation, Relation::Equal | Relation::NotEqual);
        if ordering && matches!(constant, Constant::Boolean(_)) {
            return Err(self.fault(format!("a constant that has an order after {}", relation.as_str())));
        }
        self.take()?;
        Ok(constant)
    }

    /// `(…)`, all of one type (§9.6.1). Empty, as the OASIS grammar allows.
    fn set(&mut self) -> Result<Vec<Constant>, Fault> {
        self.expect("(", "( and the values, as in IN ('a', 'b')")?;
        let mut set: Vec<Constant> = Vec::new();
        if self.taken(")")? {
            return Ok(set);
        }
        loop {
            let constant = constant(self.next).map_err(|expected| self.fault(expected))?;
            if let Some(first) = set.first().filter(|first| discriminant(*first) != discriminant(&constant)) {
                return Err(
                    self.fault(format!("constants of one type: the first of this set is of type {}", kind(first)))
                );
            }
            self.take()?;
            set.push(constant);
            if !self.taken(",")? {
                self.expect(")", ", or )")?;
                return Ok(set);
            }
        }
    }
}

/// Object paths (§9.7).
impl Parser<'_> {
    fn path(&mut self) -> Result<Path, Fault> {
        if self.next.kind != Kind::Word || KEYWORDS.contains(&self.next.text) {
            return Err(self.fault("an object path such as file:name"));
        }
        let object_type = self.take()?.text.to_owned();
        self.expect(":", ": between object type and property, as in file:name")?;
        let property = self.name()?;
        let mut steps = Vec::new();
        loop {
            if self.taken(".")? {
                steps.push(Step::Name(self.name()?));
            } else if self.taken("[")? {
                steps.push(self.item()?);
                self.expect("]", "]")?;
            } else {
                return Ok(Path { object_type, property, steps });
            }
        }
    }

    /// A property name or dictionary key; with anything but letters, digits and `_` in it, in quotes.
    fn name(&mut self) -> Result<String, Fault> {
        let Token { kind, text, .. } = self.next;
        let name = match kind {
            Kind::String if text != "''" => unquoted(text),
            Kind::Word if text.contains('-') => {
                return Err(self.fault("quotes around a name with a hyphen, as in hashes.'SHA-256'"));
            }
            Kind::Word if !KEYWORDS.contains(&text) => text.to_owned(),
            _ => return Err(self.fault("a property name such as value or 'SHA-256'")),
        };
        self.take()?;
        Ok(name)
    }

    fn item(&mut self) -> Result<Step, Fault> {
        if self.taken("*")? {
            return Ok(Step::Any);
        }
        let expected = "the number of a list item, the first being 0, or *";
        if self.next.text.starts_with('-') {
            return Err(self.fault(expected));
        }
        let index = u64::try_from(self.integer(expected)?).map_err(|_| self.fault(expected))?;
        self.take()?;
        Ok(Step::Index(index))
    }
}

/// Tokens.
impl<'p> Parser<'p> {
    /// One operand, or several with `keyword` between them, joined.
    fn chain<T>(
        &mut self,
        keyword: &str,
        operand: fn(&mut Self) -> Result<T, Fault>,
        join: fn(Vec<T>) -> T,
    ) -> Result<T, Fault> {
        let first = operand(self)?;
        if !self.at(keyword) {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.taken(keyword)? {
            operands.push(operand(self)?);
        }
        Ok(join(operands))
    }

    /// The only place where the stack grows with the text.
    fn parenthesised<T>(&mut self, inner: fn(&mut Self) -> Result<T, Fault>, closing: &str) -> Result<T, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(self.fault(format!("at most {MAX_DEPTH} parentheses inside each other")));
        }
        self.take()?;
        self.depth += 1;
        let inner = inner(self)?;
        self.depth -= 1;
        self.expect(")", closing)?;
        Ok(inner)
    }

    /// The value of the token looked at, if it is an integer.
    fn integer(&self, expected: &str) -> Result<i64, Fault> {
        match self.next.kind {
            Kind::Integer => integer(self.next.text).map_err(|expected| self.fault(expected)),
            _ => Err(self.fault(expected)),
        }
    }

    /// Whether this keyword or symbol is next: no other kind of token can have its text.
    fn at(&self, text: &str) -> bool {
        self.next.text == text
    }

    fn taken(&mut self, text: &str) -> Result<bool, Fault> {
        let found = self.at(text);
        if found {
            self.take()?;
        }
        Ok(found)
    }

    fn expect(&mut self, text: &str, expected: &str) -> Result<(), Fault> {
        if self.taken(text)? { Ok(()) } else { Err(self.fault(expected)) }
    }

    fn take(&mut self) -> Result<Token<'p>, Fault> {
        let token = self.next;
        self.next = self.lexer.next()?;
        Ok(token)
    }

    /// The token looked at is not what is expected.
    fn fault(&self, expected: impl Into<String>) -> Fault {
        let mut expected = expected.into();
        let keyword = KEYWORDS.iter().find(|keyword| self.next.text.eq_ignore_ascii_case(keyword));
        if let Some(keyword) = keyword.filter(|keyword| **keyword != self.next.text) {
            expected.push_str(" (the keyword is written ");
            expected.push_str(keyword);
            expected.push(')');
        }
        Fault::new(self.next.column, self.next.text, expected)
    }
}

/// `==` and `<>` are the OASIS grammar's, not the standard's.
fn relation(text: &str) -> Option<Relation> {
    match text {
        "=" | "==" => Some(Relation::Equal),
        "!=" | "<>" => Some(Relation::NotEqual),
        "<" => Some(Relation::Less),
        "<=" => Some(Relation::LessOrEqual),
        ">" => Some(Relation::Greater),
        ">=" => Some(Relation::GreaterOrEqual),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree, printed: it shows what binds how.
    fn check(text: &str, printed: &str) {
        match parse(text) {
            Ok(pattern) => assert_eq!(pattern.to_string(), printed, "{text}"),
            Err(fault) => panic!("{text}: {fault}"),
        }
    }

    /// The column, and words of the sentence.
    fn refused(text: &str, column: usize, words: &str) {
        match parse(text) {
            Ok(pattern) => panic!("{text} is read as {pattern}"),
            Err(fault) => {
                assert_eq!(fault.column, column, "{text}: {fault}");
                assert!(fault.to_string().contains(words), "{text}: {fault}");
            }
        }
    }

    const MD5: &str = "79054025255fb1a26e4bc422aef54eb4";

    #[test]
    fn the_examples_of_the_standard_are_patterns() {
        for text in [
            "[file:hashes.'SHA-256' = 'aec070645fe53ee3b3763059376134f058cc337247c978add178b6ccdfb0019f']",
            r"[email-message:from_ref.value MATCHES '.+\\@example\\.com$' AND email-message:body_multipart[*].body_raw_ref.name MATCHES '^Final Report.+\\.exe$']",
            "[file:hashes.MD5 = 'cead3f77f6cda6ec00f57d76c9a6879f' OR file:hashes.'SHA-256' = 'bf07'] AND [file:hashes.MD5 = '0f']",
            &format!(
                r"([file:hashes.MD5 = '{MD5}'] FOLLOWEDBY [win-registry-key:key = 'HKEY_LOCAL_MACHINE\\foo\\bar']) WITHIN 300 SECONDS"
            ),
            "[user-account:account_type = 'unix' AND user-account:user_id = '1007'] AND [user-account:user_id = '1008'] AND [user-account:user_id = '1009']",
            r"[artifact:mime_type = 'application/vnd.tcpdump.pcap' AND artifact:payload_bin MATCHES '\\xd4\\xc3\\xb2\\xa1']",
            r"[file:name = 'foo.dll' AND file:parent_directory_ref.path = 'C:\\Windows\\System32']",
            "[file:extensions.'windows-pebinary-ext'.sections[*].entropy > 7.0]",
            "[file:mime_type = 'image/bmp' AND file:magic_number_hex = h'ffd8']",
            "[network-traffic:dst_ref.type = 'domain-name' AND network-traffic:dst_ref.value = 'example.com'] REPEATS 5 TIMES WITHIN 1800 SECONDS",
            "[domain-name:value = 'www.5z8.info' AND domain-name:resolves_to_refs[*].value = '198.51.100.1/32']",
            "[x509-certificate:issuer = 'CN=WEBMAIL' AND x509-certificate:serial_number = '4c:0b:1d:19']",
            "[(file:name = 'pdf.exe' OR file:size = '371712') AND file:created = t'2014-01-13T07:03:17Z']",
            "[x-usb-device:usbdrive.serial_number = '575833314133343231313937']",
            "[network-traffic:dst_ref.value ISSUBSET '2001:0db8:dead:beef:0000:0000:0000:0000/64']",
            "[file:name = 'foo.dll'] START t'2016-06-01T00:00:00Z' STOP t'2016-07-01T00:00:00Z'",
            "[cryptocurrency-wallet:value = '0x098B716B8Aaf21512996dC57EB0615e2383E2f96']",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn what_the_oasis_tests_pass_and_the_standard_does_not_refuse_is_read() {
        check(
            "[x_whatever:detected == t'2018-03-22T12:11:14.1Z']",
            "[x_whatever:detected = t'2018-03-22T12:11:14.1Z']",
        );
        check("[a:b <> 1]", "[a:b != 1]");
        check(
            "( [(network-traffic:dst_port IN(443,6443,8443) AND network-traffic:src_packets != 0) ])",
            "[network-traffic:dst_port IN (443, 6443, 8443) AND network-traffic:src_packets != 0]",
        );
        check("[process:command_line MATCHES'^a']", "[process:command_line MATCHES '^a']");
        check("([a:b=1] REPEATS 2 TIMES) REPEATS 3 TIMES", "([a:b = 1] REPEATS 2 TIMES) REPEATS 3 TIMES");
        check("[a:b=1]REPEATS 5TIMES/**/OR//x\n[a:b=2AND a:c=3]", "[a:b = 1] REPEATS 5 TIMES OR [a:b = 2 AND a:c = 3]");
        check("/* why */[a : b [ * ] . c = 1]\u{a0}", "[a:b[*].c = 1]");
        check("[a:b IN ()]", "[a:b IN ()]");
    }

    #[test]
    fn what_the_oasis_tests_fail_is_refused() {
        refused("file:size = 1280", 1, "expected [, as in");
        refused("[file:size = ]", 14, "a constant");
        refused("[file:hashes.MD5 = cead3f77]", 20, "found `cead3f77`");
        refused("[file.size = 1280]", 6, "expected :");
        refused(r"[file:name MATCHES /.*\\.dll/]", 20, "a string in single quotes after MATCHES");
        refused("[k:key = 'x'] WITHIN ]", 22, "a number of seconds");
        refused("[k:key = 'x'] WITHIN 5 HOURS]", 24, "expected SECONDS, found `HOURS`");
        refused("[k:key = 'x'] WITHIN -5 SECONDS", 22, "greater than 0");
        refused("[network-traffic:dst_ref.value ISSUBSET ]", 41, "a string in single quotes");
        refused("[file:hashes.MD5 =? 'cead']", 19, "found `?`");
        refused("[x_whatever:detected == t'2457-73-22T32:81:84.1Z']", 25, "a day that exists");
        refused("[artifact:payload_bin = b'====']", 25, "base64");
        refused("[foo:bar=1] within 2 seconds", 13, "(the keyword is written WITHIN)");
        refused("[k:key = 'x'] WITHIN 5 SECONDS WITHIN 6 SECONDS", 32, "only once");
        refused("([k:key = 'x'] REPEATS 2 TIMES REPEATS 3 TIMES)", 32, "only once");
    }

    #[test]
    fn and_binds_stronger_than_or_and_or_stronger_than_followedby() {
        for (text, printed) in [
            ("[A] OR [B] AND [C]", "[A] OR [B] AND [C]"),
            ("[A] OR ([B] AND [C])", "[A] OR [B] AND [C]"),
            ("([A] OR [B]) AND [C]", "([A] OR [B]) AND [C]"),
            ("[A] FOLLOWEDBY ([B] OR [C])", "[A] FOLLOWEDBY [B] OR [C]"),
            ("([A] FOLLOWEDBY [B]) OR [C]", "([A] FOLLOWEDBY [B]) OR [C]"),
            ("[A] AND ([B] AND [C])", "[A] AND ([B] AND [C])"),
            ("[A OR B AND C]", "[A OR B AND C]"),
            ("[(A OR B) AND C]", "[(A OR B) AND C]"),
            ("[A OR (B AND C)]", "[A OR B AND C]"),
            ("[A AND (B AND C)]", "[A AND (B AND C)]"),
            ("[A] OR [B] REPEATS 2 TIMES", "[A] OR [B] REPEATS 2 TIMES"),
            ("([A] OR [B]) REPEATS 2 TIMES", "([A] OR [B]) REPEATS 2 TIMES"),
        ] {
            let with = |text: &str| {
                text.replace("A]", "a:a = 1]")
                    .replace("B]", "a:b = 1]")
                    .replace("C]", "a:c = 1]")
                    .replace("[A", "[a:a = 1")
                    .replace("(A", "(a:a = 1")
                    .replace("(B", "(a:b = 1")
                    .replace(" B", " a:b = 1")
                    .replace("C)", "a:c = 1)")
            };
            check(&with(text), &with(printed));
        }
        let count = |text: &str| match parse(text).unwrap().observation {
            Observation::And(parts) | Observation::Or(parts) | Observation::FollowedBy(parts) => parts.len(),
            _ => 1,
        };
        assert_eq!(count("[a:b=1] AND [a:b=2] AND [a:b=3]"), 3);
        assert_eq!(count("([a:b=1] AND [a:b=2]) AND [a:b=3]"), 2);
    }

    #[test]
    fn every_operator_takes_the_constants_that_the_standard_allows() {
        let constants = ["'x'", "8", "-7.5", "true", "h'ff'", "b'AA=='", "t'2024-01-01T00:00:00Z'", "('x')", "file:b"];
        for (operator, allowed) in [
            ("=", 7),
            ("!=", 7),
            ("NOT =", 7),
            ("<", 6),
            ("<=", 6),
            (">", 6),
            (">=", 6),
            ("NOT >=", 6),
            ("LIKE", 1),
            ("MATCHES", 1),
            ("ISSUBSET", 1),
            ("ISSUPERSET", 1),
            ("NOT LIKE", 1),
            ("NOT ISSUBSET", 1),
            ("IN", 1),
            ("NOT IN", 1),
            ("NOT", 0),
            ("LAST", 0),
            ("EXISTS", 0),
            ("NOT NOT =", 0),
            ("= NOT", 0),
        ] {
            let read = constants.iter().filter(|constant| parse(&format!("[file:a {operator} {constant}]")).is_ok());
            assert_eq!(read.count(), allowed, "{operator}");
        }
        refused("[a:b > true]", 8, "has an order after >");
    }

    #[test]
    fn not_stands_after_the_path_and_before_exists() {
        check("[NOT EXISTS a:b OR EXISTS a:c]", "[NOT EXISTS a:b OR EXISTS a:c]");
        refused("[NOT a:b = 1]", 6, "NOT stands after the object path");
        refused("[NOT (a:b = 1)]", 6, "NOT stands after the object path");
        refused("[EXISTS NOT a:b]", 9, "an object path");
        refused("[EXISTS a:b = 1]", 13, "AND, OR or ]");
    }

    #[test]
    fn a_set_is_of_one_type() {
        refused("[a:b IN (1, 'x')]", 13, "the first of this set is of type integer");
        refused("[a:b IN (1, 2.5)]", 13, "constants of one type");
        refused("[a:b IN (1,)]", 12, "a constant");
        refused("[a:b IN (1 2)]", 12, ", or )");
        refused("[a:b IN 'x']", 9, "( and the values");
        refused("[a:b IN (('x'))]", 10, "a constant");
    }

    #[test]
    fn a_path_is_a_type_a_property_and_steps() {
        let path = "x-a:b.'c-d'[0].'AND'[*][12].e_ref.value";
        check(&format!("[{path} = 1]"), &format!("[{path} = 1]"));
        check("[a:'b'.'c'[+1] = 1]", "[a:b.c[1] = 1]");
        for (path, column) in [
            ("a", 4),
            (":a", 2),
            ("a:", 5),
            ("a:b.", 7),
            ("a::b", 4),
            ("'a':b", 2),
            ("a:b-c", 4),
            ("a:b.c-d", 6),
            ("a:''", 4),
            ("a:AND", 4),
            ("a:true", 4),
            ("OR:b", 2),
            ("a:[0]", 4),
            ("a:b.[0]", 6),
            ("a:b[]", 6),
            ("a:b[-1]", 6),
            ("a:b[-0]", 6),
            ("a:b[1.5]", 6),
            ("a:b['x']", 6),
            ("a:b[01]", 6),
            ("a:b[9007199254740992]", 6),
            ("a:1b", 4),
            ("a:*", 4),
            ("a:b.*", 6),
            ("1a:b", 2),
            ("a:é", 4),
        ] {
            refused(&format!("[{path} = 1]"), column, "expected");
        }
        check("[_A1:_b = 1 AND _A1:h = 1 OR t:b = h'']", "[_A1:_b = 1 AND _A1:h = 1 OR t:b = h'']");
    }

    #[test]
    fn qualifiers_have_their_limits() {
        check("[a:b=1] WITHIN .5 SECONDS", "[a:b = 1] WITHIN 0.5 SECONDS");
        check("[a:b=1] WITHIN +5 SECONDS", "[a:b = 1] WITHIN 5 SECONDS");
        check("[a:b=1] REPEATS 9007199254740991 TIMES", "[a:b = 1] REPEATS 9007199254740991 TIMES");
        for (qualifier, column) in [
            ("WITHIN 0 SECONDS", 16),
            ("WITHIN 0.0 SECONDS", 16),
            ("WITHIN -.5 SECONDS", 16),
            ("WITHIN 5", 17),
            ("WITHIN '5' SECONDS", 16),
            ("WITHIN 05 SECONDS", 16),
            ("REPEATS 0 TIMES", 17),
            ("REPEATS -1 TIMES", 17),
            ("REPEATS 1.0 TIMES", 17),
            ("REPEATS 01 TIMES", 17),
            ("REPEATS 2", 18),
            ("START t'2016-06-01T00:00:00Z'", 38),
            ("START '2016-06-01T00:00:00Z' STOP t'2017-06-01T00:00:00Z'", 15),
            ("START 'x2016-06-01T00:00:00Z' STOP t'2017-06-01T00:00:00Z'", 15),
            ("START h'2016-06-01T00:00:00Z' STOP t'2017-06-01T00:00:00Z'", 15),
            ("START t'2016-06-01T00:00:00Z' STOP t'2017-06-31T00:00:00Z'", 44),
            ("START t'2016-06-01T00:00:00Z' STOP t'2016-06-01T00:00:00.000Z'", 44),
            ("START t'2016-06-01T00:00:00.2Z' STOP t'2016-06-01T00:00:00.19Z'", 46),
            ("STOP t'2016-06-01T00:00:00Z'", 9),
            ("LAST 5 SECONDS", 9),
        ] {
            refused(&format!("[a:b=1] {qualifier}"), column, "expected");
        }
        refused("[a:b=1 REPEATS 2 TIMES]", 8, "AND, OR or ]");
    }

    #[test]
    fn what_is_left_over_or_missing_is_named() {
        refused("", 1, "found the end of the pattern");
        refused(" \n", 3, "found the end of the pattern");
        refused("[]", 2, "an object path");
        refused("()", 2, "expected [");
        refused("[a:b = 1", 9, "AND, OR or ]");
        refused("([a:b = 1]", 11, "or )");
        refused("[(a:b = 1]", 10, "AND, OR or )");
        refused("[a:b = 1]]", 10, "or the end of the pattern");
        refused("[a:b = 1] [a:b = 2]", 11, "AND, OR, FOLLOWEDBY");
        refused("[a:b = 1] AND", 14, "expected [");
        refused("[a:b = 1] and [a:b = 2]", 11, "(the keyword is written AND)");
        refused("[a:b = True]", 8, "(the keyword is written true)");
        refused("[a:b = \"x\"]", 8, "a constant such as 'text'");
        refused("[a:b = 1e5]", 9, "found `e5`");
        refused("[a:b = 'ü' x]", 12, "found `x`");
        refused("[a:b = 'it's']", 12, "AND, OR or ]");
        refused(&format!("[a:b = {}]", "x".repeat(10_000)), 8, "x…`");
    }

    #[test]
    fn parentheses_nest_to_a_bound_and_bombs_are_refused() {
        let nested = |depth, inner: &str| format!("{}{inner}{}", "(".repeat(depth), ")".repeat(depth));
        check(&nested(MAX_DEPTH, "[a:b = 1]"), "[a:b = 1]");
        check(&format!("[{}]", nested(MAX_DEPTH, "a:b = 1")), "[a:b = 1]");
        refused(&nested(MAX_DEPTH + 1, "[a:b = 1]"), 65, "at most 64 parentheses");
        refused(&nested(40, &format!("[{}]", nested(25, "a:b = 1"))), 66, "at most 64 parentheses");
        refused(&"(".repeat(100_000), 65, "at most 64 parentheses");
        refused(&"[".repeat(100_000), 2, "an object path");
        refused(&"[(".repeat(100_000), 3, "an object path");
        refused(&"([a:b=1] AND ".repeat(100_000), 833, "at most 64 parentheses");
    }

    #[test]
    fn long_is_not_deep() {
        let many = |what: &str, between: &str| vec![what; 20_000].join(between);
        for text in [
            many("[a:b=1]", " AND "),
            many("[a:b=1]", " FOLLOWEDBY "),
            format!("[{}]", many("a:b=1", " OR ")),
            format!("[a:b{} = 1]", "[*].c".repeat(20_000)),
            format!("[a:b IN ({})]", many("1", ",")),
        ] {
            let pattern = parse(&text).unwrap();
            assert_eq!(parse(&pattern.to_string()), Ok(pattern));
        }
    }
}
