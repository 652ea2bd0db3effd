//! One `#[subscribable(...)]` attribute.

use proc_macro2::{Span, TokenStream};
use syn::{
    Expr, ExprLit, ExprPath, Ident, Lit, LitBool, LitStr, Meta, MetaNameValue, Path, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
    spanned::Spanned,
};

/// The arguments of one attribute, each as it was written.
pub(crate) struct Attr {
    /// Where the attribute is, for what it lacks.
    pub(crate) span: Span,
    pub(crate) group_key: Option<LitStr>,
    pub(crate) authorize: Option<Path>,
    pub(crate) public: bool,
    pub(crate) entity: Option<Path>,
    pub(crate) model: Option<LitStr>,
    pub(crate) check_permission: Option<Path>,
    pub(crate) rank: Option<Rank>,
    pub(crate) hooks: Option<LitBool>,
    pub(crate) from_model: Option<LitBool>,
    pub(crate) krate: Option<Path>,
}

/// A rank, with the place it was written at.
#[derive(Clone)]
pub(crate) struct Rank {
    pub(crate) value: i32,
    pub(crate) expr: Expr,
}

const ARGUMENTS: [&str; 10] = [
    "group_key",
    "authorize",
    "public",
    "entity",
    "model",
    "check_permission",
    "rank",
    "hooks",
    "from_model",
    "crate",
];

impl Attr {
    /// Parses the arguments. Every mistake goes into `errors`; what is right is kept.
    pub(crate) fn parse(args: TokenStream, span: Span, errors: &mut Vec<syn::Error>) -> Self {
        let mut attr = Self {
            span,
            group_key: None,
            authorize: None,
            public: false,
            entity: None,
            model: None,
            check_permission: None,
            rank: None,
            hooks: None,
            from_model: None,
            krate: None,
        };
        let metas = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = argument(input).and_then(|meta| attr.take(&meta)) {
                    errors.push(error);
                    skip_argument(input)?;
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = metas.parse2(args) {
            errors.push(error);
        }
        attr
    }

    fn take(&mut self, meta: &Meta) -> syn::Result<()> {
        let name = meta.path();
        let Some(ident) = name
            .segments
            .last()
            .filter(|_| name.segments.len() == 1)
            .map(|s| s.ident.unraw())
        else {
            return Err(unknown(name, &crate::stack::text(name)));
        };
        match ident.to_string().as_str() {
            "group_key" => set(&mut self.group_key, &ident, string(meta, r#""list_id""#)?)
                .and_then(|()| self.check_group_key()),
            "authorize" => set(
                &mut self.authorize,
                &ident,
                path(meta, "permissions::may_see_list")?,
            ),
            "public" if matches!(meta, Meta::Path(_)) && !self.public => {
                self.public = true;
                Ok(())
            }
            "public" => Err(syn::Error::new_spanned(
                meta,
                "write `public` alone and once",
            )),
            "entity" => set(&mut self.entity, &ident, path(meta, "task::Entity")?),
            "model" => set(&mut self.model, &ident, string(meta, r#""todolist.Task""#)?)
                .and_then(|()| self.check_model()),
            "check_permission" => set(
                &mut self.check_permission,
                &ident,
                path(meta, "permissions::may_see")?,
            ),
            "rank" => set(&mut self.rank, &ident, rank(meta)?),
            "hooks" => set(&mut self.hooks, &ident, boolean(meta)?),
            "from_model" => set(&mut self.from_model, &ident, boolean(meta)?),
            "crate" => set(&mut self.krate, &ident, path(meta, "rest_live")?),
            other => Err(unknown(name, other)),
        }
    }

    fn check_group_key(&self) -> syn::Result<()> {
        let Some(key) = &self.group_key else {
            return Ok(());
        };
        match key.value().as_str() {
            "pk" => Err(syn::Error::new_spanned(
                key,
                "`pk` is the primary key: write `#[subscribable]` without a group key",
            )),
            name if Ident::parse_any.parse_str(name).is_err() => Err(syn::Error::new_spanned(
                key,
                r#"a group key is the field name of a column: write `group_key = "list_id"`"#,
            )),
            _ => Ok(()),
        }
    }

    fn check_model(&self) -> syn::Result<()> {
        let Some(model) = &self.model else {
            return Ok(());
        };
        let value = model.value();
        let good =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        match value.split_once('.') {
            Some((application, name)) if good(application) && good(name) => Ok(()),
            _ => Err(syn::Error::new_spanned(
                model,
                r#"a model's label is the application, a dot and the model's name: write `model = "todolist.Task"`"#,
            )),
        }
    }
}

fn argument(input: ParseStream<'_>) -> syn::Result<Meta> {
    if input.peek(Lit) {
        let literal: Lit = input.parse()?;
        return Err(syn::Error::new_spanned(
            &literal,
            format!(
                "arguments have names: write `group_key = {}`",
                crate::stack::text(&literal)
            ),
        ));
    }
    input.parse()
}

/// Goes on to the comma behind a wrong argument.
fn skip_argument(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

fn set<T>(slot: &mut Option<T>, name: &Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new_spanned(
            name,
            format!("`{name}` is given twice: keep one"),
        ));
    }
    *slot = Some(value);
    Ok(())
}

fn unknown(at: &Path, name: &str) -> syn::Error {
    let message = match nearest(name) {
        Some(near) => format!("unknown argument `{name}`: did you mean `{near}`?"),
        None => format!(
            "unknown argument `{name}`: there are {}",
            ARGUMENTS.map(|a| format!("`{a}`")).join(", ")
        ),
    };
    syn::Error::new_spanned(at, message)
}

/// Returns the argument that a misspelt name is nearest to, if any is near.
fn nearest(name: &str) -> Option<&'static str> {
    let distance = |argument: &&str| edit_distance(name, argument);
    ARGUMENTS
        .into_iter()
        .min_by_key(distance)
        .filter(|best| distance(best) <= 1 + name.len() / 4)
}

/// Levenshtein distance, one row of the table at a time.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.chars().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

fn value<'m>(meta: &'m Meta, example: &str) -> syn::Result<&'m Expr> {
    match meta {
        Meta::NameValue(MetaNameValue { value, .. }) => Ok(value),
        _ => {
            let name = crate::stack::text(meta.path());
            Err(syn::Error::new_spanned(
                meta,
                format!("`{name}` takes a value: write `{name} = {example}`"),
            ))
        }
    }
}

fn mismatch(meta: &Meta, at: &Expr, example: &str) -> syn::Error {
    syn::Error::new(
        at.span(),
        format!("write `{} = {example}`", crate::stack::text(meta.path())),
    )
}

fn string(meta: &Meta, example: &str) -> syn::Result<LitStr> {
    match value(meta, example)? {
        Expr::Lit(ExprLit {
            lit: Lit::Str(string),
            ..
        }) => Ok(string.clone()),
        other => Err(mismatch(meta, other, example)),
    }
}

fn boolean(meta: &Meta) -> syn::Result<LitBool> {
    match value(meta, "false")? {
        Expr::Lit(ExprLit {
            lit: Lit::Bool(boolean),
            ..
        }) => Ok(boolean.clone()),
        other => Err(mismatch(meta, other, "false")),
    }
}

/// A path, bare or, as SeaORM and serde write theirs, in a string.
fn path(meta: &Meta, example: &str) -> syn::Result<Path> {
    let value = value(meta, example)?;
    match value {
        Expr::Path(ExprPath {
            path, qself: None, ..
        }) => Ok(path.clone()),
        Expr::Lit(ExprLit {
            lit: Lit::Str(string),
            ..
        }) => string.parse().map_err(|_| mismatch(meta, value, example)),
        other => Err(mismatch(meta, other, example)),
    }
}

fn rank(meta: &Meta) -> syn::Result<Rank> {
    let expr = value(meta, "1")?;
    // Also `-1`, which is an expression of two tokens.
    let value = crate::stack::text(expr)
        .replace(' ', "")
        .parse()
        .map_err(|_| mismatch(meta, expr, "1"))?;
    Ok(Rank {
        value,
        expr: expr.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_argument_finds_its_near_one() {
        for (written, meant) in [
            ("group", None),
            ("groupkey", Some("group_key")),
            ("check_permissions", Some("check_permission")),
            ("autorize", Some("authorize")),
            ("modell", Some("model")),
            ("colour", None),
        ] {
            assert_eq!(nearest(written), meant, "{written}");
        }
    }
}
