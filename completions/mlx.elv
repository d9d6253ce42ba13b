
use builtin;
use str;

set edit:completion:arg-completer[mlx] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'mlx'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'mlx'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand init 'Start a project'
            cand add 'Version files and directories'
            cand untrack 'Stop versioning files and directories; they stay where they are'
            cand status 'Show how data and outputs differ from `mlx.lock`'
            cand diff 'Show which files differ between two versions of the data'
            cand ls 'List what is tracked, in any version'
            cand cat 'Print a file as a version of the data has it'
            cand checkout 'Bring data and outputs back as `mlx.lock` names them'
            cand push 'Send data and outputs to a remote'
            cand pull 'Bring data and outputs from a remote into the working tree'
            cand fetch 'Bring data and outputs from a remote into the store'
            cand remote 'Name, list, test and remove remotes'
            cand import 'Bring data from another project, a Git repository or a URL, and track it with its origin'
            cand update 'Bring what is newer at the sources of imported data'
            cand get 'Copy data from another project, a Git repository or a URL, without tracking it'
            cand verify 'Check every object that the project needs'
            cand gc 'Find objects that nothing names, and remove them with `--yes`'
            cand cache 'Show what takes room in the store and in the user''s cache'
            cand train 'Run the steps of the pipeline that are not up to date'
            cand sweep 'Try the pipeline with other parameters, and find good ones'
            cand exec-step 'Carry out the steps of one element of a job, for executors'
            cand guard 'End the programs of a run once nobody holds the other end of standard input, for `mlx train`'
            cand dag 'Show the steps of the pipeline, what connects them, and the state of each'
            cand explain 'Explain why a step would run or would not'
            cand env 'Show, enter, lock and remove the environments of steps'
            cand runs 'List the runs, and do things with them'
            cand compare 'Compare runs'
            cand logs 'Print what the steps of a run printed'
            cand model 'Register, list, show, describe and promote models'
            cand lineage 'Show what something was made from, and what was made of it'
            cand package 'Package a version of a model into one file'
            cand bundle 'Inspect, compare, verify, scan, sign and unpack bundles'
            cand deploy 'Deploy a version of a model to a target'
            cand rollback 'Go back to the release that was live before'
            cand releases 'List the releases on a target'
            cand target 'List and test targets'
            cand serve 'Answer inference requests over HTTP'
            cand predict 'Ask a model'
            cand doctor 'Look at this machine and this project'
            cand completions 'Print the completions of a shell'
            cand man 'Write the man pages into a directory'
            cand merge-lock 'Merge two versions of `mlx.lock`, for Git'
            cand hook 'What Git''s hooks call'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;init'= {
            cand --example 'Lay out this example instead of an empty manifest'
            cand --git-hooks 'Make `git push` warn, or stop, where data of its commits is on no remote; once in each clone'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --git-merge-driver 'Make Git merge `mlx.lock` block by block; once in each clone'
            cand --list-examples 'List the examples'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;add'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;untrack'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;status'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;diff'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --summary 'Look into all changed tables; otherwise into the first 20, and into none of more than 256 MiB'
            cand --no-summary 'Look into no file'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;ls'= {
            cand --rev 'List the version of this Git revision instead of that of `mlx.lock`'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -R 'Go down into directories, and list files'
            cand --recursive 'Go down into directories, and list files'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;cat'= {
            cand --rev 'Take the version of this Git revision instead of that of `mlx.lock`'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;checkout'= {
            cand --rev 'Take the versions of this Git revision instead'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -f 'Overwrite local changes that are in no store'
            cand --force 'Overwrite local changes that are in no store'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;push'= {
            cand -r 'Remote of the manifest; the only one, or `origin`, where none is given'
            cand --remote 'Remote of the manifest; the only one, or `origin`, where none is given'
            cand --rev 'Versions that this Git revision names'
            cand -j 'Files that are sent or received at once'
            cand --jobs 'Files that are sent or received at once'
            cand --runs 'What these runs made, too, and their logs: names, ids, unique beginnings of these, or `latest`'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --all-revs 'Versions that any commit of any branch or tag names'
            cand -n 'Say what would be sent or received, and do nothing'
            cand --dry-run 'Say what would be sent or received, and do nothing'
            cand --repair 'Read everything on the remote, and send what is damaged there again'
            cand --all-runs 'What all runs made, too, and their logs'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;pull'= {
            cand -r 'Remote of the manifest; the only one, or `origin`, where none is given'
            cand --remote 'Remote of the manifest; the only one, or `origin`, where none is given'
            cand --rev 'Versions that this Git revision names'
            cand -j 'Files that are sent or received at once'
            cand --jobs 'Files that are sent or received at once'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --all-revs 'Versions that any commit of any branch or tag names'
            cand -n 'Say what would be sent or received, and do nothing'
            cand --dry-run 'Say what would be sent or received, and do nothing'
            cand --repair 'Read what is in the store, and fetch what is damaged or missing there again'
            cand -f 'Overwrite local changes that are in no store'
            cand --force 'Overwrite local changes that are in no store'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;fetch'= {
            cand -r 'Remote of the manifest; the only one, or `origin`, where none is given'
            cand --remote 'Remote of the manifest; the only one, or `origin`, where none is given'
            cand --rev 'Versions that this Git revision names'
            cand -j 'Files that are sent or received at once'
            cand --jobs 'Files that are sent or received at once'
            cand --runs 'What these runs made, too, and their logs: names, ids, unique beginnings of these, or `latest`'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --all-revs 'Versions that any commit of any branch or tag names'
            cand -n 'Say what would be sent or received, and do nothing'
            cand --dry-run 'Say what would be sent or received, and do nothing'
            cand --all-runs 'What all runs made, too, and their logs'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;remote'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
            cand add 'Name a remote in mlx.toml'
            cand list 'List the remotes'
            cand remove 'Take a remote out of mlx.toml'
            cand test 'Try what a remote can do'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;remote;add'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;remote;list'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;remote;remove'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;remote;test'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;remote;help'= {
            cand add 'Name a remote in mlx.toml'
            cand list 'List the remotes'
            cand remove 'Take a remote out of mlx.toml'
            cand test 'Try what a remote can do'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;remote;help;add'= {
        }
        &'mlx;remote;help;list'= {
        }
        &'mlx;remote;help;remove'= {
        }
        &'mlx;remote;help;test'= {
        }
        &'mlx;remote;help;help'= {
        }
        &'mlx;import'= {
            cand --rev 'Git revision of the repository; its default branch where none is given'
            cand -o 'Where it goes; its own name, here, where nothing is said'
            cand --output 'Where it goes; its own name, here, where nothing is said'
            cand -j 'Files that are received at once'
            cand --jobs 'Files that are received at once'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -f 'Overwrite what is there and in no store'
            cand --force 'Overwrite what is there and in no store'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;update'= {
            cand -j 'Files that are received at once'
            cand --jobs 'Files that are received at once'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -n 'Say what is newer, and change nothing'
            cand --dry-run 'Say what is newer, and change nothing'
            cand --check 'As `--dry-run`, and end with exit code 4 where something is newer'
            cand -f 'Give up changes that were made here'
            cand --force 'Give up changes that were made here'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;get'= {
            cand --rev 'Git revision of the repository; its default branch where none is given'
            cand -o 'Where the copy goes; its own name, here, where nothing is said'
            cand --output 'Where the copy goes; its own name, here, where nothing is said'
            cand -j 'Files that are received at once'
            cand --jobs 'Files that are received at once'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -f 'Replace a file that is there'
            cand --force 'Replace a file that is there'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;verify'= {
            cand --remote 'Check a remote of the manifest: the only one, or `origin`, where no name is given'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --all-revs 'Whether all that any commit of any branch or tag names is on the remote'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;gc'= {
            cand --grace 'Keep objects that are younger than this, such as 30m, 12h or 7d'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -y 'Remove them'
            cand --yes 'Remove them'
            cand --drop-history 'Keep of Git''s history only what branches and tags point at'
            cand --forget-missing 'Take no more notice of projects that used the store and are not there any more'
            cand --quarantine 'Remove damaged files that `mlx verify` and `mlx pull --repair` put aside, too'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;cache'= {
            cand --unused 'Remove those that nobody used for so many days'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --adopt 'Bring objects from `.mlx/store` over to the store that the settings name'
            cand --clean 'Remove releases and layers of images that nobody uses from the cache'
            cand -n 'Show what would be removed, and remove nothing'
            cand --dry-run 'Show what would be removed, and remove nothing'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;train'= {
            cand --since 'Only steps that a change since this Git revision affects, and all that depend on them'
            cand --downstream 'Only this step and all that depend on it'
            cand --until 'Only this step and all that it needs'
            cand --manifests 'With --dry-run: write the Jobs that Kubernetes would be given now into this directory, to be looked at'
            cand -j 'Take at most so many processors [default: all]'
            cand --jobs 'Take at most so many processors [default: all]'
            cand --executor 'Carry out every step there: a name of `[executor]`, or `local`'
            cand --set 'Set a parameter for this run'
            cand --name 'Give the run a name, by which it is found wherever a run is taken'
            cand --tag 'Give the run a tag; more than once for several'
            cand --note 'Say what the run is for'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -n 'Show what would be done and why, and do nothing'
            cand --dry-run 'Show what would be done and why, and do nothing'
            cand -f 'Run the named steps (every step where none is named) even if they are up to date, and replace outputs that were changed by hand'
            cand --force 'Run the named steps (every step where none is named) even if they are up to date, and replace outputs that were changed by hand'
            cand -k 'After a failure, go on with the steps that do not depend on it'
            cand --keep-going 'After a failure, go on with the steps that do not depend on it'
            cand --locked 'Fail if any step is out of date, and run nothing; for checks in CI'
            cand --cancel-on-exit 'When interrupted, end the jobs on executors instead of leaving them to themselves; for CI'
            cand --pull 'Ask the remote first what others have made since, to restore that instead of making it again'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;sweep'= {
            cand --set 'Try these values of a parameter'
            cand --strategy 'How the values of the next trial are chosen [default: grid where all values can be counted, else random]'
            cand --sampler 'What chooses the trials that asha stops early [default: random]'
            cand --trials 'How many trials there are; with --resume, how many there are in the end'
            cand --parallel 'Run so many trials at once; they share the processors [default: 1]'
            cand --seed 'The same seed gives the same trials [default: 0]'
            cand --metric 'Compare the trials by this metric'
            cand --goal 'Which end of the metric is the good one [default: max]'
            cand --min-resource 'The first step of the metric at which asha may stop a trial [default: 1]'
            cand --max-resource 'The last step of the metric at which asha may stop a trial'
            cand --reduction 'Let one trial of so many go on at each of these points [default: 4]'
            cand -j 'Let all trials together take at most so many processors [default: all]'
            cand --jobs 'Let all trials together take at most so many processors [default: all]'
            cand --executor 'Carry out every step of the trials there: a name of `[executor]`, or `local`. There, --jobs has no say, and --parallel may be as large as the cluster'
            cand --svg 'Write a plot of the trials to this file when they are over'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --resume 'Go on with a sweep that was interrupted, killed, or is to have more trials'
            cand --retry-failed 'With --resume: let trials that failed begin again'
            cand -f 'Begin a sweep anew; with --resume, go on whatever was changed since it began'
            cand --force 'Begin a sweep anew; with --resume, go on whatever was changed since it began'
            cand --fail-fast 'End with the first trial that fails'
            cand --keep 'Leave the working copies of trials in .mlx/sweeps/NAME/trials'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand show 'Show the trials of a sweep, the best first'
            cand list 'List the sweeps that were begun'
            cand apply 'Write the parameters of a trial to mlx.toml, or to the files that hold them'
            cand rm 'Remove a sweep; the runs of its trials stay'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;sweep;show'= {
            cand --metric 'Compare the trials by this metric instead'
            cand --goal 'Which end of the metric is the good one'
            cand --limit 'Show at most so many trials'
            cand --svg 'Write a plot of the trials to this file: parallel coordinates, as SVG'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;sweep;list'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;sweep;apply'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -n 'Show what would be written, and write nothing'
            cand --dry-run 'Show what would be written, and write nothing'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;sweep;rm'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;sweep;help'= {
            cand show 'Show the trials of a sweep, the best first'
            cand list 'List the sweeps that were begun'
            cand apply 'Write the parameters of a trial to mlx.toml, or to the files that hold them'
            cand rm 'Remove a sweep; the runs of its trials stay'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;sweep;help;show'= {
        }
        &'mlx;sweep;help;list'= {
        }
        &'mlx;sweep;help;apply'= {
        }
        &'mlx;sweep;help;rm'= {
        }
        &'mlx;sweep;help;help'= {
        }
        &'mlx;exec-step'= {
            cand --remote 'The remote by which the job''s files come and go'
            cand --remote-name 'The name by which the environment says more of it'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --watched 'Where the engine kills no more than the group of this process: end the steps'' programs all the same'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;guard'= {
            cand --job 'The name of a job, whose programs are meant'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;dag'= {
            cand --since 'Only steps that a change since this Git revision affects, and all that depend on them'
            cand --downstream 'Only this step and all that depend on it'
            cand --until 'Only this step and all that it needs'
            cand --format 'How it is drawn [default: what the ending of the output says, else text]'
            cand -o 'Write it to this file'
            cand --output 'Write it to this file'
            cand --set 'Set a parameter, as for `mlx train`'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --all 'Show every step of a large group'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;explain'= {
            cand --set 'Set a parameter, as for `mlx train`'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;env'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
            cand show 'Show what a step runs in'
            cand shell 'Run a shell or a program in the environment of a step'
            cand lock 'Write down which versions the environments hold'
            cand list 'List the environments in the cache, which all projects of the user share'
            cand rm 'Remove environments from the cache'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;env;show'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;env;shell'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;env;lock'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --update 'Take the newest versions that fit, instead of those in the lock file'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;env;list'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;env;rm'= {
            cand --unused 'Remove those that nobody used for so many days'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -n 'Show what would be removed, and remove nothing'
            cand --dry-run 'Show what would be removed, and remove nothing'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;env;help'= {
            cand show 'Show what a step runs in'
            cand shell 'Run a shell or a program in the environment of a step'
            cand lock 'Write down which versions the environments hold'
            cand list 'List the environments in the cache, which all projects of the user share'
            cand rm 'Remove environments from the cache'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;env;help;show'= {
        }
        &'mlx;env;help;shell'= {
        }
        &'mlx;env;help;lock'= {
        }
        &'mlx;env;help;list'= {
        }
        &'mlx;env;help;rm'= {
        }
        &'mlx;env;help;help'= {
        }
        &'mlx;runs'= {
            cand --limit 'List at most so many'
            cand --status 'List only those that ended, or go on, this way'
            cand --tag 'List only those with this tag; more than once for all of several'
            cand --sort 'Put them in order by a metric, a parameter that is a number, `duration` or `started`, the highest first'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --ascending 'The lowest first'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand list 'List the runs'
            cand show 'Show everything that is known of a run'
            cand name 'Give a run a name'
            cand tag 'Give runs tags, or take them away'
            cand note 'Note something about a run'
            cand restore 'Bring a run back to the working tree'
            cand export 'Export runs as JSON or CSV'
            cand rm 'Take runs away'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;runs;list'= {
            cand --limit 'List at most so many'
            cand --status 'List only those that ended, or go on, this way'
            cand --tag 'List only those with this tag; more than once for all of several'
            cand --sort 'Put them in order by a metric, a parameter that is a number, `duration` or `started`, the highest first'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --ascending 'The lowest first'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;runs;show'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;runs;name'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --remove 'Take the name from it'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;runs;tag'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --remove 'Take these tags away'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;runs;note'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --remove 'Take the note away'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;runs;restore'= {
            cand --only 'Bring back only this part; more than once for several'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -n 'Say what would be done, and do nothing'
            cand --dry-run 'Say what would be done, and do nothing'
            cand -f 'Overwrite local changes that are in no store and in no commit'
            cand --force 'Overwrite local changes that are in no store and in no commit'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;runs;export'= {
            cand --tag 'Only those with this tag'
            cand --format 'What is written [default: what the ending of the output says, else json]'
            cand -o 'Write it to this file'
            cand --output 'Write it to this file'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;runs;rm'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -n 'Say what would go, and do nothing'
            cand --dry-run 'Say what would go, and do nothing'
            cand -f 'Take them away even where a version of a model comes from one'
            cand --force 'Take them away even where a version of a model comes from one'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;runs;help'= {
            cand list 'List the runs'
            cand show 'Show everything that is known of a run'
            cand name 'Give a run a name'
            cand tag 'Give runs tags, or take them away'
            cand note 'Note something about a run'
            cand restore 'Bring a run back to the working tree'
            cand export 'Export runs as JSON or CSV'
            cand rm 'Take runs away'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;runs;help;list'= {
        }
        &'mlx;runs;help;show'= {
        }
        &'mlx;runs;help;name'= {
        }
        &'mlx;runs;help;tag'= {
        }
        &'mlx;runs;help;note'= {
        }
        &'mlx;runs;help;restore'= {
        }
        &'mlx;runs;help;export'= {
        }
        &'mlx;runs;help;rm'= {
        }
        &'mlx;runs;help;help'= {
        }
        &'mlx;compare'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --diff 'Show how the code differs, as a patch'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;logs'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;model'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
            cand register 'Make a version of a model'
            cand list 'List the versions of models'
            cand show 'Show a version of a model and where it comes from'
            cand card 'Show the card of a model, or begin one of your own'
            cand history 'Show everything that was done with the versions of a model'
            cand promote 'Move an alias to a version of a model'
            cand demote 'Take an alias away from the version that holds it'
            cand tag 'Give a version tags, or take them away'
            cand describe 'Say what a version is, in place of what was said before'
            cand archive 'Put a version out of use'
            cand restore 'Take an archived version into use again'
            cand rm 'Give a version up for good'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;model;register'= {
            cand --run 'Take the model that this run made: a name, an id, a unique beginning of one, or `latest`'
            cand --description 'What is worth knowing about this version'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;model;list'= {
            cand --tag 'Versions with this tag'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --all 'Archived versions, too'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;model;show'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;model;card'= {
            cand -o 'File to write instead of standard output; one that is there is kept'
            cand --output 'File to write instead of standard output; one that is there is kept'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --template 'Give a card to write on, in which sections are named and not filled in'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;model;history'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;model;promote'= {
            cand --why 'Why, for the history'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -f 'Promote even where gates say no; the history keeps which'
            cand --force 'Promote even where gates say no; the history keeps which'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;model;demote'= {
            cand --why 'Why, for the history'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;model;tag'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --remove 'Take these tags away'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;model;describe'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --remove 'Take the description away'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;model;archive'= {
            cand --why 'Why, for the history'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -f 'Do it even where a target has it live, or can''t be asked'
            cand --force 'Do it even where a target has it live, or can''t be asked'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;model;restore'= {
            cand --why 'Why, for the history'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;model;rm'= {
            cand --why 'Why, for the history'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -f 'Do it even where a target has it live, or can''t be asked'
            cand --force 'Do it even where a target has it live, or can''t be asked'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;model;help'= {
            cand register 'Make a version of a model'
            cand list 'List the versions of models'
            cand show 'Show a version of a model and where it comes from'
            cand card 'Show the card of a model, or begin one of your own'
            cand history 'Show everything that was done with the versions of a model'
            cand promote 'Move an alias to a version of a model'
            cand demote 'Take an alias away from the version that holds it'
            cand tag 'Give a version tags, or take them away'
            cand describe 'Say what a version is, in place of what was said before'
            cand archive 'Put a version out of use'
            cand restore 'Take an archived version into use again'
            cand rm 'Give a version up for good'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;model;help;register'= {
        }
        &'mlx;model;help;list'= {
        }
        &'mlx;model;help;show'= {
        }
        &'mlx;model;help;card'= {
        }
        &'mlx;model;help;history'= {
        }
        &'mlx;model;help;promote'= {
        }
        &'mlx;model;help;demote'= {
        }
        &'mlx;model;help;tag'= {
        }
        &'mlx;model;help;describe'= {
        }
        &'mlx;model;help;archive'= {
        }
        &'mlx;model;help;restore'= {
        }
        &'mlx;model;help;rm'= {
        }
        &'mlx;model;help;help'= {
        }
        &'mlx;lineage'= {
            cand --format 'How it is drawn [default: what the ending of the output says, else text]'
            cand -o 'Write it to this file'
            cand --output 'Write it to this file'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --no-targets 'Leave out what lies on targets, and ask none of them; they are asked only where it could lie there, and not for long'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;package'= {
            cand -o 'File to write [default: dist/MODEL-VERSION.tar]'
            cand --output 'File to write [default: dist/MODEL-VERSION.tar]'
            cand --onnxruntime 'ONNX Runtime library to pack instead of the one in the project''s environment'
            cand --sign 'Sign the bundle with this private key (P-256, PEM)'
            cand --base 'What the image is built on: an image in a registry, an archive of one, or a root file system with a C library [default: `image.base` of the model]'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --image 'Build a runnable image beside it: the bundle and mlx on a base, as an archive that podman, docker and skopeo take'
            cand -n 'Show what the bundle would hold, and write nothing'
            cand --dry-run 'Show what the bundle would hold, and write nothing'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;bundle'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand inspect 'Show what a bundle holds'
            cand verify 'Check a bundle against its digests'
            cand sign 'Sign a bundle'
            cand scan 'Look for pickles that do more than hold a model'
            cand unpack 'Unpack a bundle into a directory'
            cand diff 'Show what differs between two bundles'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;bundle;inspect'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;bundle;verify'= {
            cand --key 'Public key of who must have signed it'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;bundle;sign'= {
            cand --key 'Private key to sign with'
            cand --signature 'Take this signature, which `model_signing` made of the unpacked bundle'
            cand -o 'File to write [default: the bundle''s own]'
            cand --output 'File to write [default: the bundle''s own]'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;bundle;scan'= {
            cand --allow 'Global that is known to you: `package.module.Class`, or `package.*` for all below'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;bundle;unpack'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;bundle;diff'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;bundle;help'= {
            cand inspect 'Show what a bundle holds'
            cand verify 'Check a bundle against its digests'
            cand sign 'Sign a bundle'
            cand scan 'Look for pickles that do more than hold a model'
            cand unpack 'Unpack a bundle into a directory'
            cand diff 'Show what differs between two bundles'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;bundle;help;inspect'= {
        }
        &'mlx;bundle;help;verify'= {
        }
        &'mlx;bundle;help;sign'= {
        }
        &'mlx;bundle;help;scan'= {
        }
        &'mlx;bundle;help;unpack'= {
        }
        &'mlx;bundle;help;diff'= {
        }
        &'mlx;bundle;help;help'= {
        }
        &'mlx;deploy'= {
            cand --bundle 'Deploy this bundle, as `mlx package` wrote it'
            cand --sign 'Sign what is packaged with this private key (P-256, PEM)'
            cand --manifests 'Of a cluster: write what is to be applied there into this directory instead, and ask the cluster nothing; contents and image are sent to the registry, unless `--plan` is given too. A file that was written there for an object which the target has no more is removed'
            cand --canary 'Have it answer a part of the requests beside the live release, on servers that follow the target'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand -n 'Show what would change, and change nothing; with `--manifests`, write them and send nothing. Where the target requires a signature, the plan needs no key and says which one deploying needs'
            cand --plan 'Show what would change, and change nothing; with `--manifests`, write them and send nothing. Where the target requires a signature, the plan needs no key and says which one deploying needs'
            cand --dry-run 'Show what would change, and change nothing; with `--manifests`, write them and send nothing. Where the target requires a signature, the plan needs no key and says which one deploying needs'
            cand --promote 'Make the canary the live release'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;rollback'= {
            cand --to 'Go to this release: its digest or the first digits of it, as `mlx releases` shows them'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;releases'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --history 'Show everything that was done on the target instead, what failed included'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;target'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
            cand list 'List the targets'
            cand test 'Try what a target can do'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;target;list'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;target;test'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;target;help'= {
            cand list 'List the targets'
            cand test 'Try what a target can do'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;target;help;list'= {
        }
        &'mlx;target;help;test'= {
        }
        &'mlx;target;help;help'= {
        }
        &'mlx;serve'= {
            cand --every 'How often targets that are followed are asked what is live, in seconds'
            cand --host 'Address to listen on; 0.0.0.0 lets other machines in'
            cand --port 'Port to listen on; 0 takes any that is free'
            cand --model-name 'Name that the model answers to, instead of its own'
            cand --workers 'Requests answered at once, each with its copy of the model [default: by processors and size of the model]'
            cand --threads 'Threads that work on one request [default: by processors and size of the model]'
            cand --timeout 'Longest time a request may wait and be worked on, in seconds'
            cand --memory 'Memory that a process of a model in Python may use before another takes its place, in MiB [default: any]'
            cand --max-batch 'Rows that are asked together where requests come at once [default: requests are asked one by one]'
            cand --max-delay 'Longest time that a request waits for others that are on their way, in milliseconds'
            cand --token-file 'File with the tokens that let a client in, one a line [default: MLX_SERVE_TOKEN, else everybody may ask]'
            cand --tls-cert 'File with the certificates for TLS, in PEM'
            cand --tls-key 'File with the key of the first certificate, in PEM'
            cand --access-log 'File that a line of JSON about each request is added to; `-` for standard output'
            cand --key 'Public key of who must have signed what is served'
            cand --max-body 'Largest request body, in MiB'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --follow 'Take over what becomes live on the targets while the server runs'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;predict'= {
            cand -i 'File with the rows; `-` for standard input'
            cand --input 'File with the rows; `-` for standard input'
            cand --format 'Format of the rows [default: by the file''s name, else by its first character]'
            cand --model 'Model to ask, where the server has several'
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;doctor'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;completions'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;man'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'mlx;merge-lock'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;hook'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help'
            cand --help 'Print help'
            cand pre-push 'Warn where data of pushed commits is on no remote'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;hook;pre-push'= {
            cand -C 'Work as if started in this directory'
            cand --directory 'Work as if started in this directory'
            cand --events 'Write what happens on the way to this file, one JSON object a line'
            cand --block 'Stop the push instead of warning'
            cand --json 'Print the result as one JSON document'
            cand -q 'Print the result and errors only'
            cand --quiet 'Print the result and errors only'
            cand -v 'Say more about what is being done'
            cand --verbose 'Say more about what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlx;hook;help'= {
            cand pre-push 'Warn where data of pushed commits is on no remote'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;hook;help;pre-push'= {
        }
        &'mlx;hook;help;help'= {
        }
        &'mlx;help'= {
            cand init 'Start a project'
            cand add 'Version files and directories'
            cand untrack 'Stop versioning files and directories; they stay where they are'
            cand status 'Show how data and outputs differ from `mlx.lock`'
            cand diff 'Show which files differ between two versions of the data'
            cand ls 'List what is tracked, in any version'
            cand cat 'Print a file as a version of the data has it'
            cand checkout 'Bring data and outputs back as `mlx.lock` names them'
            cand push 'Send data and outputs to a remote'
            cand pull 'Bring data and outputs from a remote into the working tree'
            cand fetch 'Bring data and outputs from a remote into the store'
            cand remote 'Name, list, test and remove remotes'
            cand import 'Bring data from another project, a Git repository or a URL, and track it with its origin'
            cand update 'Bring what is newer at the sources of imported data'
            cand get 'Copy data from another project, a Git repository or a URL, without tracking it'
            cand verify 'Check every object that the project needs'
            cand gc 'Find objects that nothing names, and remove them with `--yes`'
            cand cache 'Show what takes room in the store and in the user''s cache'
            cand train 'Run the steps of the pipeline that are not up to date'
            cand sweep 'Try the pipeline with other parameters, and find good ones'
            cand exec-step 'Carry out the steps of one element of a job, for executors'
            cand guard 'End the programs of a run once nobody holds the other end of standard input, for `mlx train`'
            cand dag 'Show the steps of the pipeline, what connects them, and the state of each'
            cand explain 'Explain why a step would run or would not'
            cand env 'Show, enter, lock and remove the environments of steps'
            cand runs 'List the runs, and do things with them'
            cand compare 'Compare runs'
            cand logs 'Print what the steps of a run printed'
            cand model 'Register, list, show, describe and promote models'
            cand lineage 'Show what something was made from, and what was made of it'
            cand package 'Package a version of a model into one file'
            cand bundle 'Inspect, compare, verify, scan, sign and unpack bundles'
            cand deploy 'Deploy a version of a model to a target'
            cand rollback 'Go back to the release that was live before'
            cand releases 'List the releases on a target'
            cand target 'List and test targets'
            cand serve 'Answer inference requests over HTTP'
            cand predict 'Ask a model'
            cand doctor 'Look at this machine and this project'
            cand completions 'Print the completions of a shell'
            cand man 'Write the man pages into a directory'
            cand merge-lock 'Merge two versions of `mlx.lock`, for Git'
            cand hook 'What Git''s hooks call'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'mlx;help;init'= {
        }
        &'mlx;help;add'= {
        }
        &'mlx;help;untrack'= {
        }
        &'mlx;help;status'= {
        }
        &'mlx;help;diff'= {
        }
        &'mlx;help;ls'= {
        }
        &'mlx;help;cat'= {
        }
        &'mlx;help;checkout'= {
        }
        &'mlx;help;push'= {
        }
        &'mlx;help;pull'= {
        }
        &'mlx;help;fetch'= {
        }
        &'mlx;help;remote'= {
            cand add 'Name a remote in mlx.toml'
            cand list 'List the remotes'
            cand remove 'Take a remote out of mlx.toml'
            cand test 'Try what a remote can do'
        }
        &'mlx;help;remote;add'= {
        }
        &'mlx;help;remote;list'= {
        }
        &'mlx;help;remote;remove'= {
        }
        &'mlx;help;remote;test'= {
        }
        &'mlx;help;import'= {
        }
        &'mlx;help;update'= {
        }
        &'mlx;help;get'= {
        }
        &'mlx;help;verify'= {
        }
        &'mlx;help;gc'= {
        }
        &'mlx;help;cache'= {
        }
        &'mlx;help;train'= {
        }
        &'mlx;help;sweep'= {
            cand show 'Show the trials of a sweep, the best first'
            cand list 'List the sweeps that were begun'
            cand apply 'Write the parameters of a trial to mlx.toml, or to the files that hold them'
            cand rm 'Remove a sweep; the runs of its trials stay'
        }
        &'mlx;help;sweep;show'= {
        }
        &'mlx;help;sweep;list'= {
        }
        &'mlx;help;sweep;apply'= {
        }
        &'mlx;help;sweep;rm'= {
        }
        &'mlx;help;exec-step'= {
        }
        &'mlx;help;guard'= {
        }
        &'mlx;help;dag'= {
        }
        &'mlx;help;explain'= {
        }
        &'mlx;help;env'= {
            cand show 'Show what a step runs in'
            cand shell 'Run a shell or a program in the environment of a step'
            cand lock 'Write down which versions the environments hold'
            cand list 'List the environments in the cache, which all projects of the user share'
            cand rm 'Remove environments from the cache'
        }
        &'mlx;help;env;show'= {
        }
        &'mlx;help;env;shell'= {
        }
        &'mlx;help;env;lock'= {
        }
        &'mlx;help;env;list'= {
        }
        &'mlx;help;env;rm'= {
        }
        &'mlx;help;runs'= {
            cand list 'List the runs'
            cand show 'Show everything that is known of a run'
            cand name 'Give a run a name'
            cand tag 'Give runs tags, or take them away'
            cand note 'Note something about a run'
            cand restore 'Bring a run back to the working tree'
            cand export 'Export runs as JSON or CSV'
            cand rm 'Take runs away'
        }
        &'mlx;help;runs;list'= {
        }
        &'mlx;help;runs;show'= {
        }
        &'mlx;help;runs;name'= {
        }
        &'mlx;help;runs;tag'= {
        }
        &'mlx;help;runs;note'= {
        }
        &'mlx;help;runs;restore'= {
        }
        &'mlx;help;runs;export'= {
        }
        &'mlx;help;runs;rm'= {
        }
        &'mlx;help;compare'= {
        }
        &'mlx;help;logs'= {
        }
        &'mlx;help;model'= {
            cand register 'Make a version of a model'
            cand list 'List the versions of models'
            cand show 'Show a version of a model and where it comes from'
            cand card 'Show the card of a model, or begin one of your own'
            cand history 'Show everything that was done with the versions of a model'
            cand promote 'Move an alias to a version of a model'
            cand demote 'Take an alias away from the version that holds it'
            cand tag 'Give a version tags, or take them away'
            cand describe 'Say what a version is, in place of what was said before'
            cand archive 'Put a version out of use'
            cand restore 'Take an archived version into use again'
            cand rm 'Give a version up for good'
        }
        &'mlx;help;model;register'= {
        }
        &'mlx;help;model;list'= {
        }
        &'mlx;help;model;show'= {
        }
        &'mlx;help;model;card'= {
        }
        &'mlx;help;model;history'= {
        }
        &'mlx;help;model;promote'= {
        }
        &'mlx;help;model;demote'= {
        }
        &'mlx;help;model;tag'= {
        }
        &'mlx;help;model;describe'= {
        }
        &'mlx;help;model;archive'= {
        }
        &'mlx;help;model;restore'= {
        }
        &'mlx;help;model;rm'= {
        }
        &'mlx;help;lineage'= {
        }
        &'mlx;help;package'= {
        }
        &'mlx;help;bundle'= {
            cand inspect 'Show what a bundle holds'
            cand verify 'Check a bundle against its digests'
            cand sign 'Sign a bundle'
            cand scan 'Look for pickles that do more than hold a model'
            cand unpack 'Unpack a bundle into a directory'
            cand diff 'Show what differs between two bundles'
        }
        &'mlx;help;bundle;inspect'= {
        }
        &'mlx;help;bundle;verify'= {
        }
        &'mlx;help;bundle;sign'= {
        }
        &'mlx;help;bundle;scan'= {
        }
        &'mlx;help;bundle;unpack'= {
        }
        &'mlx;help;bundle;diff'= {
        }
        &'mlx;help;deploy'= {
        }
        &'mlx;help;rollback'= {
        }
        &'mlx;help;releases'= {
        }
        &'mlx;help;target'= {
            cand list 'List the targets'
            cand test 'Try what a target can do'
        }
        &'mlx;help;target;list'= {
        }
        &'mlx;help;target;test'= {
        }
        &'mlx;help;serve'= {
        }
        &'mlx;help;predict'= {
        }
        &'mlx;help;doctor'= {
        }
        &'mlx;help;completions'= {
        }
        &'mlx;help;man'= {
        }
        &'mlx;help;merge-lock'= {
        }
        &'mlx;help;hook'= {
            cand pre-push 'Warn where data of pushed commits is on no remote'
        }
        &'mlx;help;hook;pre-push'= {
        }
        &'mlx;help;help'= {
        }
    ]
    $completions[$command]
}
