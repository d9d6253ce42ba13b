//! Update: what is at the sources of imported paths now, and bringing it.

use serde::Serialize;

use super::import::alone;
use super::{Compared, Reach, Sight, Source};
use crate::data::{Workspace, add, list, placed};
use crate::digest::Object;
use crate::error::{ErrorContext, did_you_mean};
use crate::project::lock::Origin;
use crate::project::manifest::DataSource;
use crate::project::{LOCK, Lock, MANIFEST, Project, ProjectPath, gitignore};
use crate::{Digest, Error, Kind, Result};

/// What became, or would become, of imported paths.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Updated {
    /// Whether this is only the plan.
    pub dry_run: bool,
    pub paths: Vec<Update>,
}

/// One imported path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Update {
    pub path: ProjectPath,
    pub url: String,
    pub rev: Option<String>,
    pub state: UpdateState,
    /// Whether the path holds something else than what came from its source.
    pub changed_here: bool,
    pub before: Option<Digest>,
    /// `None` where that is not known without reading it.
    pub after: Option<Digest>,
    pub commit_before: Option<String>,
    pub commit_after: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    Current,
    /// The source has something else now.
    Newer,
    /// The manifest names the source, and nothing came from there yet.
    New,
    /// The source says nothing of its version.
    Unknown,
    /// What the source has now was brought.
    Updated,
    /// What the lock names is not in the store, and can be brought from the source.
    Absent,
    /// What the lock names was brought, in the version that it was; the lock stays as it is.
    Brought,
}

impl Updated {
    /// Whether a source has what is not here.
    pub fn has_news(&self) -> bool {
        use UpdateState::{Absent, New, Newer};
        self.paths.iter().any(|path| matches!(path.state, Newer | New | Absent))
    }
}

/// One path on the way.
struct Task<'a> {
    data: &'a DataSource,
    url: &'a str,
    sight: Sight,
    compared: Option<Compared>,
    /// What the lock names, where it is not in the store and the source has it: at this version.
    absent: Option<(Object, Sight)>,
    update: Update,
}

/// Looks at the sources of these imported paths (of all where none is given) and brings what is newer, unless it is a dry
/// run. All sources are looked at before anything is changed.
///
/// # Errors
/// A `Usage` error for a path that has no source, and for one that was changed here, unless `force` is set.
pub fn update(
    project: &Project,
    workspace: &Workspace,
    paths: &[ProjectPath],
    dry_run: bool,
    force: bool,
    reach: &Reach<'_>,
) -> Result<Updated> {
    let _alone = if dry_run { None } else { Some(alone(project, "mlx update")?) };
    let lock = project.read_lock()?;
    let mut tasks = Vec::new();
    for (data, url) in select(project, paths)? {
        tasks.push(
            look(data, url, &lock, workspace, reach).with_context(|| format!("cannot look for `{}`", data.path))?,
        );
    }
    if !dry_run {
        carry_out(project, workspace, &lock, &mut tasks, force, reach)?;
        workspace.save();
    }
    Ok(Updated { dry_run, paths: tasks.into_iter().map(|task| task.update).collect() })
}

fn select<'p>(project: &'p Project, paths: &[ProjectPath]) -> Result<Vec<(&'p DataSource, &'p str)>> {
    let all = || project.manifest.data.values().filter_map(|data| Some((data, data.url.as_deref()?)));
    let unknown = paths.iter().find(|path| !all().any(|(data, _)| data.path.is_within(path)));
    if let Some(path) = unknown {
        let known: Vec<String> = all().map(|(data, _)| data.path.to_string()).collect();
        return Err(Error::usage(format!("{MANIFEST} names no source of `{path}`"))
            .with_hint(did_you_mean(&path.to_string(), known.iter().map(String::as_str))));
    }
    let is_wanted = |data: &DataSource| paths.is_empty() || paths.iter().any(|path| data.path.is_within(path));
    Ok(all().filter(|(data, _)| is_wanted(data)).collect())
}

fn look<'a>(
    data: &'a DataSource,
    url: &'a str,
    lock: &Lock,
    workspace: &Workspace,
    reach: &Reach<'_>,
) -> Result<Task<'a>> {
    let source = Source::parse(url, reach.base, reach.access.home.as_deref())?;
    let sight = source.look(data.rev.as_deref(), workspace.store(), reach)?;
    let locked = lock.paths.get(&data.path);
    // What came from another source tells nothing of this one.
    let origin = lock.origins.get(&data.path).filter(|origin| locked.is_some() && origin.url == *url);
    let compared = origin.map(|origin| sight.compare(origin, reach)).transpose()?;
    let absent = match (locked, origin) {
        (Some(object), Some(origin)) if origin.digest == object.digest => {
            absent(&source, object, origin, compared, workspace, reach)?
        }
        _ => None,
    };
    let state = match compared {
        _ if absent.is_some() => UpdateState::Absent,
        _ if locked.is_none() => UpdateState::New,
        Some(Compared::Same | Compared::SameContent) => UpdateState::Current,
        Some(Compared::Unknown) => UpdateState::Unknown,
        Some(Compared::Other) | None => UpdateState::Newer,
    };
    let imported = origin.map(|origin| origin.digest);
    let update = Update {
        path: data.path.clone(),
        url: url.to_owned(),
        rev: data.rev.clone(),
        state,
        changed_here: locked.is_some_and(|object| Some(object.digest) != imported),
        before: locked.map(|object| object.digest),
        after: match compared {
            Some(Compared::Same | Compared::SameContent) => imported,
            _ => sight.digest(),
        },
        commit_before: origin.and_then(|origin| origin.commit.clone()),
        commit_after: sight.commit.clone(),
    };
    Ok(Task { data, url, sight, compared, absent, update })
}

/// What the lock names, as the source still has it, where the store does not have all of it: as in a clone whose project has
/// no remote. Of a repository that is the commit that it was; of a server, the same version.
fn absent(
    source: &Source,
    object: &Object,
    origin: &Origin,
    compared: Option<Compared>,
    workspace: &Workspace,
    reach: &Reach<'_>,
) -> Result<Option<(Object, Sight)>> {
    if list::is_whole(workspace, object, reach.watch)? {
        return Ok(None);
    }
    let is_same = matches!(compared, Some(Compared::Same | Compared::SameContent));
    let commit = origin.commit.as_deref().filter(|_| matches!(source, Source::Repository { .. }));
    if commit.is_none() && !is_same {
        // Only what is there now can be had.
        return Ok(None);
    }
    // A commit that is gone from its repository is no reason not to bring what is there now.
    match source.look(commit, workspace.store(), reach) {
        Ok(sight) => Ok(Some((object.clone(), sight))),
        Err(error) if error.kind() == Kind::Interrupted || is_same => Err(error),
        Err(_) => Ok(None),
    }
}

fn carry_out(
    project: &Project,
    workspace: &Workspace,
    lock: &Lock,
    tasks: &mut [Task<'_>],
    force: bool,
    reach: &Reach<'_>,
) -> Result<()> {
    let is_wanted = |task: &Task<'_>| !matches!(task.update.state, UpdateState::Current | UpdateState::Absent);
    for task in tasks.iter().filter(|task| is_wanted(task)) {
        add::check_place(project, lock, &task.data.path)?;
        if task.update.changed_here && !force {
            let path = &task.data.path;
            return Err(Error::usage(format!("`{path}` was changed here, and its source has something else now"))
                .with_hint(format!("take what the source has with `mlx update --force {path}`; `mlx checkout --rev` brings the other back")));
        }
    }
    let mut brought: Vec<(ProjectPath, Object, Origin)> = Vec::new();
    let mut put_back: Vec<(ProjectPath, Object)> = Vec::new();
    for task in tasks.iter_mut() {
        let path = &task.data.path;
        let mut object = lock.paths.get(path).cloned();
        if let Some((locked, sight)) = task.absent.take() {
            let cannot = || format!("cannot bring `{path}`");
            let came = sight.bring(workspace.store(), reach).with_context(cannot)?;
            if came.digest != locked.digest {
                return Err(Error::failed(format!(
                    "{} does not have any more what {LOCK} names as `{path}`",
                    task.url
                ))
                .with_hint(format!("take what it has now with `mlx import {} -o {path}`", task.url)));
            }
            task.update.state = UpdateState::Brought;
            put_back.push((path.clone(), locked));
            continue;
        }
        if is_wanted(task) {
            let cannot = || format!("cannot update `{path}`");
            let new = task.sight.bring(workspace.store(), reach).with_context(cannot)?;
            let is_same = task.compared.is_some() && task.update.before == Some(new.digest);
            task.update.state = if is_same { UpdateState::Current } else { UpdateState::Updated };
            task.update.after = Some(new.digest);
            object = Some(new);
        }
        // The same content in a newer commit is written down too; a version of which nothing is known is not.
        let Some(object) = object.filter(|_| task.compared != Some(Compared::Same)) else { continue };
        let origin = Origin {
            url: task.url.to_owned(),
            rev: task.data.rev.clone(),
            commit: task.sight.commit.clone(),
            version: task.sight.version.clone(),
            digest: task.update.after.unwrap_or(object.digest),
        };
        brought.push((path.clone(), object, origin));
    }
    let is_new = |path: &ProjectPath| {
        tasks.iter().any(|task| task.data.path == *path && task.update.state == UpdateState::Updated)
    };
    let restored: Vec<(ProjectPath, Object)> = brought
        .iter()
        .filter(|(path, ..)| is_new(path))
        .map(|(path, object, _)| (path.clone(), object.clone()))
        .collect();
    put_back.extend(restored.iter().cloned());
    workspace.restore_all(&put_back, force, reach.watch)?;
    placed::remember_whole(project, put_back.iter().map(|(path, object)| (path, object)));
    gitignore::ignore(project, restored.iter().map(|(path, _)| path))?;
    project.change_lock(|lock| {
        for (path, object, origin) in brought {
            lock.paths.insert(path.clone(), object);
            lock.origins.insert(path, origin);
        }
        Ok(())
    })
}
