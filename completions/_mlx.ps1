
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'mlx' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'mlx'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'mlx' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Start a project')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Version files and directories')
            [CompletionResult]::new('untrack', 'untrack', [CompletionResultType]::ParameterValue, 'Stop versioning files and directories; they stay where they are')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show how data and outputs differ from `mlx.lock`')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Show which files differ between two versions of the data')
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'List what is tracked, in any version')
            [CompletionResult]::new('cat', 'cat', [CompletionResultType]::ParameterValue, 'Print a file as a version of the data has it')
            [CompletionResult]::new('checkout', 'checkout', [CompletionResultType]::ParameterValue, 'Bring data and outputs back as `mlx.lock` names them')
            [CompletionResult]::new('push', 'push', [CompletionResultType]::ParameterValue, 'Send data and outputs to a remote')
            [CompletionResult]::new('pull', 'pull', [CompletionResultType]::ParameterValue, 'Bring data and outputs from a remote into the working tree')
            [CompletionResult]::new('fetch', 'fetch', [CompletionResultType]::ParameterValue, 'Bring data and outputs from a remote into the store')
            [CompletionResult]::new('remote', 'remote', [CompletionResultType]::ParameterValue, 'Name, list, test and remove remotes')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Bring data from another project, a Git repository or a URL, and track it with its origin')
            [CompletionResult]::new('update', 'update', [CompletionResultType]::ParameterValue, 'Bring what is newer at the sources of imported data')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'Copy data from another project, a Git repository or a URL, without tracking it')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check every object that the project needs')
            [CompletionResult]::new('gc', 'gc', [CompletionResultType]::ParameterValue, 'Find objects that nothing names, and remove them with `--yes`')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Show what takes room in the store and in the user''s cache')
            [CompletionResult]::new('train', 'train', [CompletionResultType]::ParameterValue, 'Run the steps of the pipeline that are not up to date')
            [CompletionResult]::new('sweep', 'sweep', [CompletionResultType]::ParameterValue, 'Try the pipeline with other parameters, and find good ones')
            [CompletionResult]::new('exec-step', 'exec-step', [CompletionResultType]::ParameterValue, 'Carry out the steps of one element of a job, for executors')
            [CompletionResult]::new('guard', 'guard', [CompletionResultType]::ParameterValue, 'End the programs of a run once nobody holds the other end of standard input, for `mlx train`')
            [CompletionResult]::new('dag', 'dag', [CompletionResultType]::ParameterValue, 'Show the steps of the pipeline, what connects them, and the state of each')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Explain why a step would run or would not')
            [CompletionResult]::new('env', 'env', [CompletionResultType]::ParameterValue, 'Show, enter, lock and remove the environments of steps')
            [CompletionResult]::new('runs', 'runs', [CompletionResultType]::ParameterValue, 'List the runs, and do things with them')
            [CompletionResult]::new('compare', 'compare', [CompletionResultType]::ParameterValue, 'Compare runs')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Print what the steps of a run printed')
            [CompletionResult]::new('model', 'model', [CompletionResultType]::ParameterValue, 'Register, list, show, describe and promote models')
            [CompletionResult]::new('lineage', 'lineage', [CompletionResultType]::ParameterValue, 'Show what something was made from, and what was made of it')
            [CompletionResult]::new('package', 'package', [CompletionResultType]::ParameterValue, 'Package a version of a model into one file')
            [CompletionResult]::new('bundle', 'bundle', [CompletionResultType]::ParameterValue, 'Inspect, compare, verify, scan, sign and unpack bundles')
            [CompletionResult]::new('deploy', 'deploy', [CompletionResultType]::ParameterValue, 'Deploy a version of a model to a target')
            [CompletionResult]::new('rollback', 'rollback', [CompletionResultType]::ParameterValue, 'Go back to the release that was live before')
            [CompletionResult]::new('releases', 'releases', [CompletionResultType]::ParameterValue, 'List the releases on a target')
            [CompletionResult]::new('target', 'target', [CompletionResultType]::ParameterValue, 'List and test targets')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Answer inference requests over HTTP')
            [CompletionResult]::new('predict', 'predict', [CompletionResultType]::ParameterValue, 'Ask a model')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'Look at this machine and this project')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completions of a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Write the man pages into a directory')
            [CompletionResult]::new('merge-lock', 'merge-lock', [CompletionResultType]::ParameterValue, 'Merge two versions of `mlx.lock`, for Git')
            [CompletionResult]::new('hook', 'hook', [CompletionResultType]::ParameterValue, 'What Git''s hooks call')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;init' {
            [CompletionResult]::new('--example', '--example', [CompletionResultType]::ParameterName, 'Lay out this example instead of an empty manifest')
            [CompletionResult]::new('--git-hooks', '--git-hooks', [CompletionResultType]::ParameterName, 'Make `git push` warn, or stop, where data of its commits is on no remote; once in each clone')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--git-merge-driver', '--git-merge-driver', [CompletionResultType]::ParameterName, 'Make Git merge `mlx.lock` block by block; once in each clone')
            [CompletionResult]::new('--list-examples', '--list-examples', [CompletionResultType]::ParameterName, 'List the examples')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;add' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;untrack' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;status' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;diff' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--summary', '--summary', [CompletionResultType]::ParameterName, 'Look into all changed tables; otherwise into the first 20, and into none of more than 256 MiB')
            [CompletionResult]::new('--no-summary', '--no-summary', [CompletionResultType]::ParameterName, 'Look into no file')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;ls' {
            [CompletionResult]::new('--rev', '--rev', [CompletionResultType]::ParameterName, 'List the version of this Git revision instead of that of `mlx.lock`')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-R', '-R ', [CompletionResultType]::ParameterName, 'Go down into directories, and list files')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Go down into directories, and list files')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;cat' {
            [CompletionResult]::new('--rev', '--rev', [CompletionResultType]::ParameterName, 'Take the version of this Git revision instead of that of `mlx.lock`')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;checkout' {
            [CompletionResult]::new('--rev', '--rev', [CompletionResultType]::ParameterName, 'Take the versions of this Git revision instead')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overwrite local changes that are in no store')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite local changes that are in no store')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;push' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Remote of the manifest; the only one, or `origin`, where none is given')
            [CompletionResult]::new('--remote', '--remote', [CompletionResultType]::ParameterName, 'Remote of the manifest; the only one, or `origin`, where none is given')
            [CompletionResult]::new('--rev', '--rev', [CompletionResultType]::ParameterName, 'Versions that this Git revision names')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'Files that are sent or received at once')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Files that are sent or received at once')
            [CompletionResult]::new('--runs', '--runs', [CompletionResultType]::ParameterName, 'What these runs made, too, and their logs: names, ids, unique beginnings of these, or `latest`')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--all-revs', '--all-revs', [CompletionResultType]::ParameterName, 'Versions that any commit of any branch or tag names')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Say what would be sent or received, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be sent or received, and do nothing')
            [CompletionResult]::new('--repair', '--repair', [CompletionResultType]::ParameterName, 'Read everything on the remote, and send what is damaged there again')
            [CompletionResult]::new('--all-runs', '--all-runs', [CompletionResultType]::ParameterName, 'What all runs made, too, and their logs')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;pull' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Remote of the manifest; the only one, or `origin`, where none is given')
            [CompletionResult]::new('--remote', '--remote', [CompletionResultType]::ParameterName, 'Remote of the manifest; the only one, or `origin`, where none is given')
            [CompletionResult]::new('--rev', '--rev', [CompletionResultType]::ParameterName, 'Versions that this Git revision names')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'Files that are sent or received at once')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Files that are sent or received at once')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--all-revs', '--all-revs', [CompletionResultType]::ParameterName, 'Versions that any commit of any branch or tag names')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Say what would be sent or received, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be sent or received, and do nothing')
            [CompletionResult]::new('--repair', '--repair', [CompletionResultType]::ParameterName, 'Read what is in the store, and fetch what is damaged or missing there again')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overwrite local changes that are in no store')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite local changes that are in no store')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;fetch' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Remote of the manifest; the only one, or `origin`, where none is given')
            [CompletionResult]::new('--remote', '--remote', [CompletionResultType]::ParameterName, 'Remote of the manifest; the only one, or `origin`, where none is given')
            [CompletionResult]::new('--rev', '--rev', [CompletionResultType]::ParameterName, 'Versions that this Git revision names')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'Files that are sent or received at once')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Files that are sent or received at once')
            [CompletionResult]::new('--runs', '--runs', [CompletionResultType]::ParameterName, 'What these runs made, too, and their logs: names, ids, unique beginnings of these, or `latest`')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--all-revs', '--all-revs', [CompletionResultType]::ParameterName, 'Versions that any commit of any branch or tag names')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Say what would be sent or received, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be sent or received, and do nothing')
            [CompletionResult]::new('--all-runs', '--all-runs', [CompletionResultType]::ParameterName, 'What all runs made, too, and their logs')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;remote' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Name a remote in mlx.toml')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the remotes')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Take a remote out of mlx.toml')
            [CompletionResult]::new('test', 'test', [CompletionResultType]::ParameterValue, 'Try what a remote can do')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;remote;add' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;remote;list' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mlx;remote;remove' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;remote;test' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;remote;help' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Name a remote in mlx.toml')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the remotes')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Take a remote out of mlx.toml')
            [CompletionResult]::new('test', 'test', [CompletionResultType]::ParameterValue, 'Try what a remote can do')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;remote;help;add' {
            break
        }
        'mlx;remote;help;list' {
            break
        }
        'mlx;remote;help;remove' {
            break
        }
        'mlx;remote;help;test' {
            break
        }
        'mlx;remote;help;help' {
            break
        }
        'mlx;import' {
            [CompletionResult]::new('--rev', '--rev', [CompletionResultType]::ParameterName, 'Git revision of the repository; its default branch where none is given')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Where it goes; its own name, here, where nothing is said')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Where it goes; its own name, here, where nothing is said')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'Files that are received at once')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Files that are received at once')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overwrite what is there and in no store')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite what is there and in no store')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;update' {
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'Files that are received at once')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Files that are received at once')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Say what is newer, and change nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what is newer, and change nothing')
            [CompletionResult]::new('--check', '--check', [CompletionResultType]::ParameterName, 'As `--dry-run`, and end with exit code 4 where something is newer')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Give up changes that were made here')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Give up changes that were made here')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;get' {
            [CompletionResult]::new('--rev', '--rev', [CompletionResultType]::ParameterName, 'Git revision of the repository; its default branch where none is given')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Where the copy goes; its own name, here, where nothing is said')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Where the copy goes; its own name, here, where nothing is said')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'Files that are received at once')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Files that are received at once')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Replace a file that is there')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace a file that is there')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;verify' {
            [CompletionResult]::new('--remote', '--remote', [CompletionResultType]::ParameterName, 'Check a remote of the manifest: the only one, or `origin`, where no name is given')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--all-revs', '--all-revs', [CompletionResultType]::ParameterName, 'Whether all that any commit of any branch or tag names is on the remote')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;gc' {
            [CompletionResult]::new('--grace', '--grace', [CompletionResultType]::ParameterName, 'Keep objects that are younger than this, such as 30m, 12h or 7d')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Remove them')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Remove them')
            [CompletionResult]::new('--drop-history', '--drop-history', [CompletionResultType]::ParameterName, 'Keep of Git''s history only what branches and tags point at')
            [CompletionResult]::new('--forget-missing', '--forget-missing', [CompletionResultType]::ParameterName, 'Take no more notice of projects that used the store and are not there any more')
            [CompletionResult]::new('--quarantine', '--quarantine', [CompletionResultType]::ParameterName, 'Remove damaged files that `mlx verify` and `mlx pull --repair` put aside, too')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;cache' {
            [CompletionResult]::new('--unused', '--unused', [CompletionResultType]::ParameterName, 'Remove those that nobody used for so many days')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--adopt', '--adopt', [CompletionResultType]::ParameterName, 'Bring objects from `.mlx/store` over to the store that the settings name')
            [CompletionResult]::new('--clean', '--clean', [CompletionResultType]::ParameterName, 'Remove releases and layers of images that nobody uses from the cache')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be removed, and remove nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be removed, and remove nothing')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;train' {
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Only steps that a change since this Git revision affects, and all that depend on them')
            [CompletionResult]::new('--downstream', '--downstream', [CompletionResultType]::ParameterName, 'Only this step and all that depend on it')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Only this step and all that it needs')
            [CompletionResult]::new('--manifests', '--manifests', [CompletionResultType]::ParameterName, 'With --dry-run: write the Jobs that Kubernetes would be given now into this directory, to be looked at')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'Take at most so many processors [default: all]')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Take at most so many processors [default: all]')
            [CompletionResult]::new('--executor', '--executor', [CompletionResultType]::ParameterName, 'Carry out every step there: a name of `[executor]`, or `local`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a parameter for this run')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Give the run a name, by which it is found wherever a run is taken')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Give the run a tag; more than once for several')
            [CompletionResult]::new('--note', '--note', [CompletionResultType]::ParameterName, 'Say what the run is for')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done and why, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done and why, and do nothing')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Run the named steps (every step where none is named) even if they are up to date, and replace outputs that were changed by hand')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Run the named steps (every step where none is named) even if they are up to date, and replace outputs that were changed by hand')
            [CompletionResult]::new('-k', '-k', [CompletionResultType]::ParameterName, 'After a failure, go on with the steps that do not depend on it')
            [CompletionResult]::new('--keep-going', '--keep-going', [CompletionResultType]::ParameterName, 'After a failure, go on with the steps that do not depend on it')
            [CompletionResult]::new('--locked', '--locked', [CompletionResultType]::ParameterName, 'Fail if any step is out of date, and run nothing; for checks in CI')
            [CompletionResult]::new('--cancel-on-exit', '--cancel-on-exit', [CompletionResultType]::ParameterName, 'When interrupted, end the jobs on executors instead of leaving them to themselves; for CI')
            [CompletionResult]::new('--pull', '--pull', [CompletionResultType]::ParameterName, 'Ask the remote first what others have made since, to restore that instead of making it again')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;sweep' {
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Try these values of a parameter')
            [CompletionResult]::new('--strategy', '--strategy', [CompletionResultType]::ParameterName, 'How the values of the next trial are chosen [default: grid where all values can be counted, else random]')
            [CompletionResult]::new('--sampler', '--sampler', [CompletionResultType]::ParameterName, 'What chooses the trials that asha stops early [default: random]')
            [CompletionResult]::new('--trials', '--trials', [CompletionResultType]::ParameterName, 'How many trials there are; with --resume, how many there are in the end')
            [CompletionResult]::new('--parallel', '--parallel', [CompletionResultType]::ParameterName, 'Run so many trials at once; they share the processors [default: 1]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'The same seed gives the same trials [default: 0]')
            [CompletionResult]::new('--metric', '--metric', [CompletionResultType]::ParameterName, 'Compare the trials by this metric')
            [CompletionResult]::new('--goal', '--goal', [CompletionResultType]::ParameterName, 'Which end of the metric is the good one [default: max]')
            [CompletionResult]::new('--min-resource', '--min-resource', [CompletionResultType]::ParameterName, 'The first step of the metric at which asha may stop a trial [default: 1]')
            [CompletionResult]::new('--max-resource', '--max-resource', [CompletionResultType]::ParameterName, 'The last step of the metric at which asha may stop a trial')
            [CompletionResult]::new('--reduction', '--reduction', [CompletionResultType]::ParameterName, 'Let one trial of so many go on at each of these points [default: 4]')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'Let all trials together take at most so many processors [default: all]')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Let all trials together take at most so many processors [default: all]')
            [CompletionResult]::new('--executor', '--executor', [CompletionResultType]::ParameterName, 'Carry out every step of the trials there: a name of `[executor]`, or `local`. There, --jobs has no say, and --parallel may be as large as the cluster')
            [CompletionResult]::new('--svg', '--svg', [CompletionResultType]::ParameterName, 'Write a plot of the trials to this file when they are over')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--resume', '--resume', [CompletionResultType]::ParameterName, 'Go on with a sweep that was interrupted, killed, or is to have more trials')
            [CompletionResult]::new('--retry-failed', '--retry-failed', [CompletionResultType]::ParameterName, 'With --resume: let trials that failed begin again')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Begin a sweep anew; with --resume, go on whatever was changed since it began')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Begin a sweep anew; with --resume, go on whatever was changed since it began')
            [CompletionResult]::new('--fail-fast', '--fail-fast', [CompletionResultType]::ParameterName, 'End with the first trial that fails')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Leave the working copies of trials in .mlx/sweeps/NAME/trials')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show the trials of a sweep, the best first')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the sweeps that were begun')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Write the parameters of a trial to mlx.toml, or to the files that hold them')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Remove a sweep; the runs of its trials stay')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;sweep;show' {
            [CompletionResult]::new('--metric', '--metric', [CompletionResultType]::ParameterName, 'Compare the trials by this metric instead')
            [CompletionResult]::new('--goal', '--goal', [CompletionResultType]::ParameterName, 'Which end of the metric is the good one')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'Show at most so many trials')
            [CompletionResult]::new('--svg', '--svg', [CompletionResultType]::ParameterName, 'Write a plot of the trials to this file: parallel coordinates, as SVG')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;sweep;list' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mlx;sweep;apply' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be written, and write nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be written, and write nothing')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;sweep;rm' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mlx;sweep;help' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show the trials of a sweep, the best first')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the sweeps that were begun')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Write the parameters of a trial to mlx.toml, or to the files that hold them')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Remove a sweep; the runs of its trials stay')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;sweep;help;show' {
            break
        }
        'mlx;sweep;help;list' {
            break
        }
        'mlx;sweep;help;apply' {
            break
        }
        'mlx;sweep;help;rm' {
            break
        }
        'mlx;sweep;help;help' {
            break
        }
        'mlx;exec-step' {
            [CompletionResult]::new('--remote', '--remote', [CompletionResultType]::ParameterName, 'The remote by which the job''s files come and go')
            [CompletionResult]::new('--remote-name', '--remote-name', [CompletionResultType]::ParameterName, 'The name by which the environment says more of it')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--watched', '--watched', [CompletionResultType]::ParameterName, 'Where the engine kills no more than the group of this process: end the steps'' programs all the same')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;guard' {
            [CompletionResult]::new('--job', '--job', [CompletionResultType]::ParameterName, 'The name of a job, whose programs are meant')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;dag' {
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Only steps that a change since this Git revision affects, and all that depend on them')
            [CompletionResult]::new('--downstream', '--downstream', [CompletionResultType]::ParameterName, 'Only this step and all that depend on it')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Only this step and all that it needs')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How it is drawn [default: what the ending of the output says, else text]')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write it to this file')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write it to this file')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a parameter, as for `mlx train`')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Show every step of a large group')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;explain' {
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a parameter, as for `mlx train`')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;env' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show what a step runs in')
            [CompletionResult]::new('shell', 'shell', [CompletionResultType]::ParameterValue, 'Run a shell or a program in the environment of a step')
            [CompletionResult]::new('lock', 'lock', [CompletionResultType]::ParameterValue, 'Write down which versions the environments hold')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the environments in the cache, which all projects of the user share')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Remove environments from the cache')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;env;show' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;env;shell' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;env;lock' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--update', '--update', [CompletionResultType]::ParameterName, 'Take the newest versions that fit, instead of those in the lock file')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;env;list' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;env;rm' {
            [CompletionResult]::new('--unused', '--unused', [CompletionResultType]::ParameterName, 'Remove those that nobody used for so many days')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be removed, and remove nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be removed, and remove nothing')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;env;help' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show what a step runs in')
            [CompletionResult]::new('shell', 'shell', [CompletionResultType]::ParameterValue, 'Run a shell or a program in the environment of a step')
            [CompletionResult]::new('lock', 'lock', [CompletionResultType]::ParameterValue, 'Write down which versions the environments hold')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the environments in the cache, which all projects of the user share')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Remove environments from the cache')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;env;help;show' {
            break
        }
        'mlx;env;help;shell' {
            break
        }
        'mlx;env;help;lock' {
            break
        }
        'mlx;env;help;list' {
            break
        }
        'mlx;env;help;rm' {
            break
        }
        'mlx;env;help;help' {
            break
        }
        'mlx;runs' {
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'List at most so many')
            [CompletionResult]::new('--status', '--status', [CompletionResultType]::ParameterName, 'List only those that ended, or go on, this way')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'List only those with this tag; more than once for all of several')
            [CompletionResult]::new('--sort', '--sort', [CompletionResultType]::ParameterName, 'Put them in order by a metric, a parameter that is a number, `duration` or `started`, the highest first')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--ascending', '--ascending', [CompletionResultType]::ParameterName, 'The lowest first')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the runs')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show everything that is known of a run')
            [CompletionResult]::new('name', 'name', [CompletionResultType]::ParameterValue, 'Give a run a name')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give runs tags, or take them away')
            [CompletionResult]::new('note', 'note', [CompletionResultType]::ParameterValue, 'Note something about a run')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Bring a run back to the working tree')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Export runs as JSON or CSV')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Take runs away')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;runs;list' {
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'List at most so many')
            [CompletionResult]::new('--status', '--status', [CompletionResultType]::ParameterName, 'List only those that ended, or go on, this way')
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'List only those with this tag; more than once for all of several')
            [CompletionResult]::new('--sort', '--sort', [CompletionResultType]::ParameterName, 'Put them in order by a metric, a parameter that is a number, `duration` or `started`, the highest first')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--ascending', '--ascending', [CompletionResultType]::ParameterName, 'The lowest first')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;runs;show' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mlx;runs;name' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--remove', '--remove', [CompletionResultType]::ParameterName, 'Take the name from it')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;runs;tag' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--remove', '--remove', [CompletionResultType]::ParameterName, 'Take these tags away')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mlx;runs;note' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--remove', '--remove', [CompletionResultType]::ParameterName, 'Take the note away')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mlx;runs;restore' {
            [CompletionResult]::new('--only', '--only', [CompletionResultType]::ParameterName, 'Bring back only this part; more than once for several')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overwrite local changes that are in no store and in no commit')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite local changes that are in no store and in no commit')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;runs;export' {
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Only those with this tag')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'What is written [default: what the ending of the output says, else json]')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write it to this file')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write it to this file')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;runs;rm' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Say what would go, and do nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would go, and do nothing')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Take them away even where a version of a model comes from one')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Take them away even where a version of a model comes from one')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;runs;help' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the runs')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show everything that is known of a run')
            [CompletionResult]::new('name', 'name', [CompletionResultType]::ParameterValue, 'Give a run a name')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give runs tags, or take them away')
            [CompletionResult]::new('note', 'note', [CompletionResultType]::ParameterValue, 'Note something about a run')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Bring a run back to the working tree')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Export runs as JSON or CSV')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Take runs away')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;runs;help;list' {
            break
        }
        'mlx;runs;help;show' {
            break
        }
        'mlx;runs;help;name' {
            break
        }
        'mlx;runs;help;tag' {
            break
        }
        'mlx;runs;help;note' {
            break
        }
        'mlx;runs;help;restore' {
            break
        }
        'mlx;runs;help;export' {
            break
        }
        'mlx;runs;help;rm' {
            break
        }
        'mlx;runs;help;help' {
            break
        }
        'mlx;compare' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--diff', '--diff', [CompletionResultType]::ParameterName, 'Show how the code differs, as a patch')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;logs' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;model' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('register', 'register', [CompletionResultType]::ParameterValue, 'Make a version of a model')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the versions of models')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show a version of a model and where it comes from')
            [CompletionResult]::new('card', 'card', [CompletionResultType]::ParameterValue, 'Show the card of a model, or begin one of your own')
            [CompletionResult]::new('history', 'history', [CompletionResultType]::ParameterValue, 'Show everything that was done with the versions of a model')
            [CompletionResult]::new('promote', 'promote', [CompletionResultType]::ParameterValue, 'Move an alias to a version of a model')
            [CompletionResult]::new('demote', 'demote', [CompletionResultType]::ParameterValue, 'Take an alias away from the version that holds it')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give a version tags, or take them away')
            [CompletionResult]::new('describe', 'describe', [CompletionResultType]::ParameterValue, 'Say what a version is, in place of what was said before')
            [CompletionResult]::new('archive', 'archive', [CompletionResultType]::ParameterValue, 'Put a version out of use')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Take an archived version into use again')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Give a version up for good')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;model;register' {
            [CompletionResult]::new('--run', '--run', [CompletionResultType]::ParameterName, 'Take the model that this run made: a name, an id, a unique beginning of one, or `latest`')
            [CompletionResult]::new('--description', '--description', [CompletionResultType]::ParameterName, 'What is worth knowing about this version')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;model;list' {
            [CompletionResult]::new('--tag', '--tag', [CompletionResultType]::ParameterName, 'Versions with this tag')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Archived versions, too')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;model;show' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;model;card' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'File to write instead of standard output; one that is there is kept')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'File to write instead of standard output; one that is there is kept')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--template', '--template', [CompletionResultType]::ParameterName, 'Give a card to write on, in which sections are named and not filled in')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;model;history' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;model;promote' {
            [CompletionResult]::new('--why', '--why', [CompletionResultType]::ParameterName, 'Why, for the history')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Promote even where gates say no; the history keeps which')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Promote even where gates say no; the history keeps which')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;model;demote' {
            [CompletionResult]::new('--why', '--why', [CompletionResultType]::ParameterName, 'Why, for the history')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mlx;model;tag' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--remove', '--remove', [CompletionResultType]::ParameterName, 'Take these tags away')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mlx;model;describe' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--remove', '--remove', [CompletionResultType]::ParameterName, 'Take the description away')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;model;archive' {
            [CompletionResult]::new('--why', '--why', [CompletionResultType]::ParameterName, 'Why, for the history')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Do it even where a target has it live, or can''t be asked')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Do it even where a target has it live, or can''t be asked')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;model;restore' {
            [CompletionResult]::new('--why', '--why', [CompletionResultType]::ParameterName, 'Why, for the history')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mlx;model;rm' {
            [CompletionResult]::new('--why', '--why', [CompletionResultType]::ParameterName, 'Why, for the history')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Do it even where a target has it live, or can''t be asked')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Do it even where a target has it live, or can''t be asked')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;model;help' {
            [CompletionResult]::new('register', 'register', [CompletionResultType]::ParameterValue, 'Make a version of a model')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the versions of models')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show a version of a model and where it comes from')
            [CompletionResult]::new('card', 'card', [CompletionResultType]::ParameterValue, 'Show the card of a model, or begin one of your own')
            [CompletionResult]::new('history', 'history', [CompletionResultType]::ParameterValue, 'Show everything that was done with the versions of a model')
            [CompletionResult]::new('promote', 'promote', [CompletionResultType]::ParameterValue, 'Move an alias to a version of a model')
            [CompletionResult]::new('demote', 'demote', [CompletionResultType]::ParameterValue, 'Take an alias away from the version that holds it')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give a version tags, or take them away')
            [CompletionResult]::new('describe', 'describe', [CompletionResultType]::ParameterValue, 'Say what a version is, in place of what was said before')
            [CompletionResult]::new('archive', 'archive', [CompletionResultType]::ParameterValue, 'Put a version out of use')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Take an archived version into use again')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Give a version up for good')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;model;help;register' {
            break
        }
        'mlx;model;help;list' {
            break
        }
        'mlx;model;help;show' {
            break
        }
        'mlx;model;help;card' {
            break
        }
        'mlx;model;help;history' {
            break
        }
        'mlx;model;help;promote' {
            break
        }
        'mlx;model;help;demote' {
            break
        }
        'mlx;model;help;tag' {
            break
        }
        'mlx;model;help;describe' {
            break
        }
        'mlx;model;help;archive' {
            break
        }
        'mlx;model;help;restore' {
            break
        }
        'mlx;model;help;rm' {
            break
        }
        'mlx;model;help;help' {
            break
        }
        'mlx;lineage' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How it is drawn [default: what the ending of the output says, else text]')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write it to this file')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write it to this file')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--no-targets', '--no-targets', [CompletionResultType]::ParameterName, 'Leave out what lies on targets, and ask none of them; they are asked only where it could lie there, and not for long')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;package' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'File to write [default: dist/MODEL-VERSION.tar]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'File to write [default: dist/MODEL-VERSION.tar]')
            [CompletionResult]::new('--onnxruntime', '--onnxruntime', [CompletionResultType]::ParameterName, 'ONNX Runtime library to pack instead of the one in the project''s environment')
            [CompletionResult]::new('--sign', '--sign', [CompletionResultType]::ParameterName, 'Sign the bundle with this private key (P-256, PEM)')
            [CompletionResult]::new('--base', '--base', [CompletionResultType]::ParameterName, 'What the image is built on: an image in a registry, an archive of one, or a root file system with a C library [default: `image.base` of the model]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--image', '--image', [CompletionResultType]::ParameterName, 'Build a runnable image beside it: the bundle and mlx on a base, as an archive that podman, docker and skopeo take')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what the bundle would hold, and write nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what the bundle would hold, and write nothing')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;bundle' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what a bundle holds')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check a bundle against its digests')
            [CompletionResult]::new('sign', 'sign', [CompletionResultType]::ParameterValue, 'Sign a bundle')
            [CompletionResult]::new('scan', 'scan', [CompletionResultType]::ParameterValue, 'Look for pickles that do more than hold a model')
            [CompletionResult]::new('unpack', 'unpack', [CompletionResultType]::ParameterValue, 'Unpack a bundle into a directory')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Show what differs between two bundles')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;bundle;inspect' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;bundle;verify' {
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Public key of who must have signed it')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;bundle;sign' {
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Private key to sign with')
            [CompletionResult]::new('--signature', '--signature', [CompletionResultType]::ParameterName, 'Take this signature, which `model_signing` made of the unpacked bundle')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'File to write [default: the bundle''s own]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'File to write [default: the bundle''s own]')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;bundle;scan' {
            [CompletionResult]::new('--allow', '--allow', [CompletionResultType]::ParameterName, 'Global that is known to you: `package.module.Class`, or `package.*` for all below')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;bundle;unpack' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;bundle;diff' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;bundle;help' {
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what a bundle holds')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check a bundle against its digests')
            [CompletionResult]::new('sign', 'sign', [CompletionResultType]::ParameterValue, 'Sign a bundle')
            [CompletionResult]::new('scan', 'scan', [CompletionResultType]::ParameterValue, 'Look for pickles that do more than hold a model')
            [CompletionResult]::new('unpack', 'unpack', [CompletionResultType]::ParameterValue, 'Unpack a bundle into a directory')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Show what differs between two bundles')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;bundle;help;inspect' {
            break
        }
        'mlx;bundle;help;verify' {
            break
        }
        'mlx;bundle;help;sign' {
            break
        }
        'mlx;bundle;help;scan' {
            break
        }
        'mlx;bundle;help;unpack' {
            break
        }
        'mlx;bundle;help;diff' {
            break
        }
        'mlx;bundle;help;help' {
            break
        }
        'mlx;deploy' {
            [CompletionResult]::new('--bundle', '--bundle', [CompletionResultType]::ParameterName, 'Deploy this bundle, as `mlx package` wrote it')
            [CompletionResult]::new('--sign', '--sign', [CompletionResultType]::ParameterName, 'Sign what is packaged with this private key (P-256, PEM)')
            [CompletionResult]::new('--manifests', '--manifests', [CompletionResultType]::ParameterName, 'Of a cluster: write what is to be applied there into this directory instead, and ask the cluster nothing; contents and image are sent to the registry, unless `--plan` is given too. A file that was written there for an object which the target has no more is removed')
            [CompletionResult]::new('--canary', '--canary', [CompletionResultType]::ParameterName, 'Have it answer a part of the requests beside the live release, on servers that follow the target')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would change, and change nothing; with `--manifests`, write them and send nothing. Where the target requires a signature, the plan needs no key and says which one deploying needs')
            [CompletionResult]::new('--plan', '--plan', [CompletionResultType]::ParameterName, 'Show what would change, and change nothing; with `--manifests`, write them and send nothing. Where the target requires a signature, the plan needs no key and says which one deploying needs')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would change, and change nothing; with `--manifests`, write them and send nothing. Where the target requires a signature, the plan needs no key and says which one deploying needs')
            [CompletionResult]::new('--promote', '--promote', [CompletionResultType]::ParameterName, 'Make the canary the live release')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;rollback' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Go to this release: its digest or the first digits of it, as `mlx releases` shows them')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;releases' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--history', '--history', [CompletionResultType]::ParameterName, 'Show everything that was done on the target instead, what failed included')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;target' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the targets')
            [CompletionResult]::new('test', 'test', [CompletionResultType]::ParameterValue, 'Try what a target can do')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;target;list' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;target;test' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;target;help' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the targets')
            [CompletionResult]::new('test', 'test', [CompletionResultType]::ParameterValue, 'Try what a target can do')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;target;help;list' {
            break
        }
        'mlx;target;help;test' {
            break
        }
        'mlx;target;help;help' {
            break
        }
        'mlx;serve' {
            [CompletionResult]::new('--every', '--every', [CompletionResultType]::ParameterName, 'How often targets that are followed are asked what is live, in seconds')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Address to listen on; 0.0.0.0 lets other machines in')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Port to listen on; 0 takes any that is free')
            [CompletionResult]::new('--model-name', '--model-name', [CompletionResultType]::ParameterName, 'Name that the model answers to, instead of its own')
            [CompletionResult]::new('--workers', '--workers', [CompletionResultType]::ParameterName, 'Requests answered at once, each with its copy of the model [default: by processors and size of the model]')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Threads that work on one request [default: by processors and size of the model]')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest time a request may wait and be worked on, in seconds')
            [CompletionResult]::new('--memory', '--memory', [CompletionResultType]::ParameterName, 'Memory that a process of a model in Python may use before another takes its place, in MiB [default: any]')
            [CompletionResult]::new('--max-batch', '--max-batch', [CompletionResultType]::ParameterName, 'Rows that are asked together where requests come at once [default: requests are asked one by one]')
            [CompletionResult]::new('--max-delay', '--max-delay', [CompletionResultType]::ParameterName, 'Longest time that a request waits for others that are on their way, in milliseconds')
            [CompletionResult]::new('--token-file', '--token-file', [CompletionResultType]::ParameterName, 'File with the tokens that let a client in, one a line [default: MLX_SERVE_TOKEN, else everybody may ask]')
            [CompletionResult]::new('--tls-cert', '--tls-cert', [CompletionResultType]::ParameterName, 'File with the certificates for TLS, in PEM')
            [CompletionResult]::new('--tls-key', '--tls-key', [CompletionResultType]::ParameterName, 'File with the key of the first certificate, in PEM')
            [CompletionResult]::new('--access-log', '--access-log', [CompletionResultType]::ParameterName, 'File that a line of JSON about each request is added to; `-` for standard output')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Public key of who must have signed what is served')
            [CompletionResult]::new('--max-body', '--max-body', [CompletionResultType]::ParameterName, 'Largest request body, in MiB')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Take over what becomes live on the targets while the server runs')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;predict' {
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'File with the rows; `-` for standard input')
            [CompletionResult]::new('--input', '--input', [CompletionResultType]::ParameterName, 'File with the rows; `-` for standard input')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Format of the rows [default: by the file''s name, else by its first character]')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'Model to ask, where the server has several')
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;doctor' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;completions' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;man' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'mlx;merge-lock' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;hook' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('pre-push', 'pre-push', [CompletionResultType]::ParameterValue, 'Warn where data of pushed commits is on no remote')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;hook;pre-push' {
            [CompletionResult]::new('-C', '-C ', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--directory', '--directory', [CompletionResultType]::ParameterName, 'Work as if started in this directory')
            [CompletionResult]::new('--events', '--events', [CompletionResultType]::ParameterName, 'Write what happens on the way to this file, one JSON object a line')
            [CompletionResult]::new('--block', '--block', [CompletionResultType]::ParameterName, 'Stop the push instead of warning')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print the result and errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more about what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlx;hook;help' {
            [CompletionResult]::new('pre-push', 'pre-push', [CompletionResultType]::ParameterValue, 'Warn where data of pushed commits is on no remote')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;hook;help;pre-push' {
            break
        }
        'mlx;hook;help;help' {
            break
        }
        'mlx;help' {
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Start a project')
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Version files and directories')
            [CompletionResult]::new('untrack', 'untrack', [CompletionResultType]::ParameterValue, 'Stop versioning files and directories; they stay where they are')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show how data and outputs differ from `mlx.lock`')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Show which files differ between two versions of the data')
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'List what is tracked, in any version')
            [CompletionResult]::new('cat', 'cat', [CompletionResultType]::ParameterValue, 'Print a file as a version of the data has it')
            [CompletionResult]::new('checkout', 'checkout', [CompletionResultType]::ParameterValue, 'Bring data and outputs back as `mlx.lock` names them')
            [CompletionResult]::new('push', 'push', [CompletionResultType]::ParameterValue, 'Send data and outputs to a remote')
            [CompletionResult]::new('pull', 'pull', [CompletionResultType]::ParameterValue, 'Bring data and outputs from a remote into the working tree')
            [CompletionResult]::new('fetch', 'fetch', [CompletionResultType]::ParameterValue, 'Bring data and outputs from a remote into the store')
            [CompletionResult]::new('remote', 'remote', [CompletionResultType]::ParameterValue, 'Name, list, test and remove remotes')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Bring data from another project, a Git repository or a URL, and track it with its origin')
            [CompletionResult]::new('update', 'update', [CompletionResultType]::ParameterValue, 'Bring what is newer at the sources of imported data')
            [CompletionResult]::new('get', 'get', [CompletionResultType]::ParameterValue, 'Copy data from another project, a Git repository or a URL, without tracking it')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check every object that the project needs')
            [CompletionResult]::new('gc', 'gc', [CompletionResultType]::ParameterValue, 'Find objects that nothing names, and remove them with `--yes`')
            [CompletionResult]::new('cache', 'cache', [CompletionResultType]::ParameterValue, 'Show what takes room in the store and in the user''s cache')
            [CompletionResult]::new('train', 'train', [CompletionResultType]::ParameterValue, 'Run the steps of the pipeline that are not up to date')
            [CompletionResult]::new('sweep', 'sweep', [CompletionResultType]::ParameterValue, 'Try the pipeline with other parameters, and find good ones')
            [CompletionResult]::new('exec-step', 'exec-step', [CompletionResultType]::ParameterValue, 'Carry out the steps of one element of a job, for executors')
            [CompletionResult]::new('guard', 'guard', [CompletionResultType]::ParameterValue, 'End the programs of a run once nobody holds the other end of standard input, for `mlx train`')
            [CompletionResult]::new('dag', 'dag', [CompletionResultType]::ParameterValue, 'Show the steps of the pipeline, what connects them, and the state of each')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Explain why a step would run or would not')
            [CompletionResult]::new('env', 'env', [CompletionResultType]::ParameterValue, 'Show, enter, lock and remove the environments of steps')
            [CompletionResult]::new('runs', 'runs', [CompletionResultType]::ParameterValue, 'List the runs, and do things with them')
            [CompletionResult]::new('compare', 'compare', [CompletionResultType]::ParameterValue, 'Compare runs')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Print what the steps of a run printed')
            [CompletionResult]::new('model', 'model', [CompletionResultType]::ParameterValue, 'Register, list, show, describe and promote models')
            [CompletionResult]::new('lineage', 'lineage', [CompletionResultType]::ParameterValue, 'Show what something was made from, and what was made of it')
            [CompletionResult]::new('package', 'package', [CompletionResultType]::ParameterValue, 'Package a version of a model into one file')
            [CompletionResult]::new('bundle', 'bundle', [CompletionResultType]::ParameterValue, 'Inspect, compare, verify, scan, sign and unpack bundles')
            [CompletionResult]::new('deploy', 'deploy', [CompletionResultType]::ParameterValue, 'Deploy a version of a model to a target')
            [CompletionResult]::new('rollback', 'rollback', [CompletionResultType]::ParameterValue, 'Go back to the release that was live before')
            [CompletionResult]::new('releases', 'releases', [CompletionResultType]::ParameterValue, 'List the releases on a target')
            [CompletionResult]::new('target', 'target', [CompletionResultType]::ParameterValue, 'List and test targets')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Answer inference requests over HTTP')
            [CompletionResult]::new('predict', 'predict', [CompletionResultType]::ParameterValue, 'Ask a model')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'Look at this machine and this project')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completions of a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Write the man pages into a directory')
            [CompletionResult]::new('merge-lock', 'merge-lock', [CompletionResultType]::ParameterValue, 'Merge two versions of `mlx.lock`, for Git')
            [CompletionResult]::new('hook', 'hook', [CompletionResultType]::ParameterValue, 'What Git''s hooks call')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mlx;help;init' {
            break
        }
        'mlx;help;add' {
            break
        }
        'mlx;help;untrack' {
            break
        }
        'mlx;help;status' {
            break
        }
        'mlx;help;diff' {
            break
        }
        'mlx;help;ls' {
            break
        }
        'mlx;help;cat' {
            break
        }
        'mlx;help;checkout' {
            break
        }
        'mlx;help;push' {
            break
        }
        'mlx;help;pull' {
            break
        }
        'mlx;help;fetch' {
            break
        }
        'mlx;help;remote' {
            [CompletionResult]::new('add', 'add', [CompletionResultType]::ParameterValue, 'Name a remote in mlx.toml')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the remotes')
            [CompletionResult]::new('remove', 'remove', [CompletionResultType]::ParameterValue, 'Take a remote out of mlx.toml')
            [CompletionResult]::new('test', 'test', [CompletionResultType]::ParameterValue, 'Try what a remote can do')
            break
        }
        'mlx;help;remote;add' {
            break
        }
        'mlx;help;remote;list' {
            break
        }
        'mlx;help;remote;remove' {
            break
        }
        'mlx;help;remote;test' {
            break
        }
        'mlx;help;import' {
            break
        }
        'mlx;help;update' {
            break
        }
        'mlx;help;get' {
            break
        }
        'mlx;help;verify' {
            break
        }
        'mlx;help;gc' {
            break
        }
        'mlx;help;cache' {
            break
        }
        'mlx;help;train' {
            break
        }
        'mlx;help;sweep' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show the trials of a sweep, the best first')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the sweeps that were begun')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Write the parameters of a trial to mlx.toml, or to the files that hold them')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Remove a sweep; the runs of its trials stay')
            break
        }
        'mlx;help;sweep;show' {
            break
        }
        'mlx;help;sweep;list' {
            break
        }
        'mlx;help;sweep;apply' {
            break
        }
        'mlx;help;sweep;rm' {
            break
        }
        'mlx;help;exec-step' {
            break
        }
        'mlx;help;guard' {
            break
        }
        'mlx;help;dag' {
            break
        }
        'mlx;help;explain' {
            break
        }
        'mlx;help;env' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show what a step runs in')
            [CompletionResult]::new('shell', 'shell', [CompletionResultType]::ParameterValue, 'Run a shell or a program in the environment of a step')
            [CompletionResult]::new('lock', 'lock', [CompletionResultType]::ParameterValue, 'Write down which versions the environments hold')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the environments in the cache, which all projects of the user share')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Remove environments from the cache')
            break
        }
        'mlx;help;env;show' {
            break
        }
        'mlx;help;env;shell' {
            break
        }
        'mlx;help;env;lock' {
            break
        }
        'mlx;help;env;list' {
            break
        }
        'mlx;help;env;rm' {
            break
        }
        'mlx;help;runs' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the runs')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show everything that is known of a run')
            [CompletionResult]::new('name', 'name', [CompletionResultType]::ParameterValue, 'Give a run a name')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give runs tags, or take them away')
            [CompletionResult]::new('note', 'note', [CompletionResultType]::ParameterValue, 'Note something about a run')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Bring a run back to the working tree')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Export runs as JSON or CSV')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Take runs away')
            break
        }
        'mlx;help;runs;list' {
            break
        }
        'mlx;help;runs;show' {
            break
        }
        'mlx;help;runs;name' {
            break
        }
        'mlx;help;runs;tag' {
            break
        }
        'mlx;help;runs;note' {
            break
        }
        'mlx;help;runs;restore' {
            break
        }
        'mlx;help;runs;export' {
            break
        }
        'mlx;help;runs;rm' {
            break
        }
        'mlx;help;compare' {
            break
        }
        'mlx;help;logs' {
            break
        }
        'mlx;help;model' {
            [CompletionResult]::new('register', 'register', [CompletionResultType]::ParameterValue, 'Make a version of a model')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the versions of models')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show a version of a model and where it comes from')
            [CompletionResult]::new('card', 'card', [CompletionResultType]::ParameterValue, 'Show the card of a model, or begin one of your own')
            [CompletionResult]::new('history', 'history', [CompletionResultType]::ParameterValue, 'Show everything that was done with the versions of a model')
            [CompletionResult]::new('promote', 'promote', [CompletionResultType]::ParameterValue, 'Move an alias to a version of a model')
            [CompletionResult]::new('demote', 'demote', [CompletionResultType]::ParameterValue, 'Take an alias away from the version that holds it')
            [CompletionResult]::new('tag', 'tag', [CompletionResultType]::ParameterValue, 'Give a version tags, or take them away')
            [CompletionResult]::new('describe', 'describe', [CompletionResultType]::ParameterValue, 'Say what a version is, in place of what was said before')
            [CompletionResult]::new('archive', 'archive', [CompletionResultType]::ParameterValue, 'Put a version out of use')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Take an archived version into use again')
            [CompletionResult]::new('rm', 'rm', [CompletionResultType]::ParameterValue, 'Give a version up for good')
            break
        }
        'mlx;help;model;register' {
            break
        }
        'mlx;help;model;list' {
            break
        }
        'mlx;help;model;show' {
            break
        }
        'mlx;help;model;card' {
            break
        }
        'mlx;help;model;history' {
            break
        }
        'mlx;help;model;promote' {
            break
        }
        'mlx;help;model;demote' {
            break
        }
        'mlx;help;model;tag' {
            break
        }
        'mlx;help;model;describe' {
            break
        }
        'mlx;help;model;archive' {
            break
        }
        'mlx;help;model;restore' {
            break
        }
        'mlx;help;model;rm' {
            break
        }
        'mlx;help;lineage' {
            break
        }
        'mlx;help;package' {
            break
        }
        'mlx;help;bundle' {
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what a bundle holds')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check a bundle against its digests')
            [CompletionResult]::new('sign', 'sign', [CompletionResultType]::ParameterValue, 'Sign a bundle')
            [CompletionResult]::new('scan', 'scan', [CompletionResultType]::ParameterValue, 'Look for pickles that do more than hold a model')
            [CompletionResult]::new('unpack', 'unpack', [CompletionResultType]::ParameterValue, 'Unpack a bundle into a directory')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Show what differs between two bundles')
            break
        }
        'mlx;help;bundle;inspect' {
            break
        }
        'mlx;help;bundle;verify' {
            break
        }
        'mlx;help;bundle;sign' {
            break
        }
        'mlx;help;bundle;scan' {
            break
        }
        'mlx;help;bundle;unpack' {
            break
        }
        'mlx;help;bundle;diff' {
            break
        }
        'mlx;help;deploy' {
            break
        }
        'mlx;help;rollback' {
            break
        }
        'mlx;help;releases' {
            break
        }
        'mlx;help;target' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the targets')
            [CompletionResult]::new('test', 'test', [CompletionResultType]::ParameterValue, 'Try what a target can do')
            break
        }
        'mlx;help;target;list' {
            break
        }
        'mlx;help;target;test' {
            break
        }
        'mlx;help;serve' {
            break
        }
        'mlx;help;predict' {
            break
        }
        'mlx;help;doctor' {
            break
        }
        'mlx;help;completions' {
            break
        }
        'mlx;help;man' {
            break
        }
        'mlx;help;merge-lock' {
            break
        }
        'mlx;help;hook' {
            [CompletionResult]::new('pre-push', 'pre-push', [CompletionResultType]::ParameterValue, 'Warn where data of pushed commits is on no remote')
            break
        }
        'mlx;help;hook;pre-push' {
            break
        }
        'mlx;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
