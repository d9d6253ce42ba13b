# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mlx_global_optspecs
    string join \n C/directory= json q/quiet v/verbose events= h/help V/version
end

function __fish_mlx_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mlx_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mlx_using_subcommand
    set -l cmd (__fish_mlx_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mlx -n "__fish_mlx_needs_command" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_needs_command" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_needs_command" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_needs_command" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_needs_command" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_needs_command" -s V -l version -d 'Print version'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "init" -d 'Start a project'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "add" -d 'Version files and directories'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "untrack" -d 'Stop versioning files and directories; they stay where they are'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "status" -d 'Show how data and outputs differ from `mlx.lock`'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "diff" -d 'Show which files differ between two versions of the data'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "ls" -d 'List what is tracked, in any version'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "cat" -d 'Print a file as a version of the data has it'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "checkout" -d 'Bring data and outputs back as `mlx.lock` names them'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "push" -d 'Send data and outputs to a remote'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "pull" -d 'Bring data and outputs from a remote into the working tree'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "fetch" -d 'Bring data and outputs from a remote into the store'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "remote" -d 'Name, list, test and remove remotes'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "import" -d 'Bring data from another project, a Git repository or a URL, and track it with its origin'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "update" -d 'Bring what is newer at the sources of imported data'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "get" -d 'Copy data from another project, a Git repository or a URL, without tracking it'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "verify" -d 'Check every object that the project needs'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "gc" -d 'Find objects that nothing names, and remove them with `--yes`'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "cache" -d 'Show what takes room in the store and in the user\'s cache'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "train" -d 'Run the steps of the pipeline that are not up to date'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "sweep" -d 'Try the pipeline with other parameters, and find good ones'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "exec-step" -d 'Carry out the steps of one element of a job, for executors'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "guard" -d 'End the programs of a run once nobody holds the other end of standard input, for `mlx train`'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "dag" -d 'Show the steps of the pipeline, what connects them, and the state of each'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "explain" -d 'Explain why a step would run or would not'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "env" -d 'Show, enter, lock and remove the environments of steps'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "runs" -d 'List the runs, and do things with them'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "compare" -d 'Compare runs'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "logs" -d 'Print what the steps of a run printed'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "model" -d 'Register, list, show, describe and promote models'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "lineage" -d 'Show what something was made from, and what was made of it'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "package" -d 'Package a version of a model into one file'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "bundle" -d 'Inspect, compare, verify, scan, sign and unpack bundles'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "deploy" -d 'Deploy a version of a model to a target'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "rollback" -d 'Go back to the release that was live before'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "releases" -d 'List the releases on a target'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "target" -d 'List and test targets'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "serve" -d 'Answer inference requests over HTTP'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "predict" -d 'Ask a model'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "doctor" -d 'Look at this machine and this project'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "man" -d 'Write the man pages into a directory'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "merge-lock" -d 'Merge two versions of `mlx.lock`, for Git'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "hook" -d 'What Git\'s hooks call'
complete -c mlx -n "__fish_mlx_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand init" -l example -d 'Lay out this example instead of an empty manifest' -r
complete -c mlx -n "__fish_mlx_using_subcommand init" -l git-hooks -d 'Make `git push` warn, or stop, where data of its commits is on no remote; once in each clone' -r -f -a "warn\t''
block\t''"
complete -c mlx -n "__fish_mlx_using_subcommand init" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand init" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand init" -l git-merge-driver -d 'Make Git merge `mlx.lock` block by block; once in each clone'
complete -c mlx -n "__fish_mlx_using_subcommand init" -l list-examples -d 'List the examples'
complete -c mlx -n "__fish_mlx_using_subcommand init" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand init" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand init" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand add" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand add" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand add" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand add" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand add" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand untrack" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand untrack" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand untrack" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand untrack" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand untrack" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand untrack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand status" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand status" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand status" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand status" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand status" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand diff" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand diff" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand diff" -l summary -d 'Look into all changed tables; otherwise into the first 20, and into none of more than 256 MiB'
complete -c mlx -n "__fish_mlx_using_subcommand diff" -l no-summary -d 'Look into no file'
complete -c mlx -n "__fish_mlx_using_subcommand diff" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand diff" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand diff" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand ls" -l rev -d 'List the version of this Git revision instead of that of `mlx.lock`' -r
complete -c mlx -n "__fish_mlx_using_subcommand ls" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand ls" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand ls" -s R -l recursive -d 'Go down into directories, and list files'
complete -c mlx -n "__fish_mlx_using_subcommand ls" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand ls" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand ls" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand cat" -l rev -d 'Take the version of this Git revision instead of that of `mlx.lock`' -r
complete -c mlx -n "__fish_mlx_using_subcommand cat" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand cat" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand cat" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand cat" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand cat" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand cat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand checkout" -l rev -d 'Take the versions of this Git revision instead' -r
complete -c mlx -n "__fish_mlx_using_subcommand checkout" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand checkout" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand checkout" -s f -l force -d 'Overwrite local changes that are in no store'
complete -c mlx -n "__fish_mlx_using_subcommand checkout" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand checkout" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand checkout" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand checkout" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand push" -s r -l remote -d 'Remote of the manifest; the only one, or `origin`, where none is given' -r
complete -c mlx -n "__fish_mlx_using_subcommand push" -l rev -d 'Versions that this Git revision names' -r
complete -c mlx -n "__fish_mlx_using_subcommand push" -s j -l jobs -d 'Files that are sent or received at once' -r
complete -c mlx -n "__fish_mlx_using_subcommand push" -l runs -d 'What these runs made, too, and their logs: names, ids, unique beginnings of these, or `latest`' -r
complete -c mlx -n "__fish_mlx_using_subcommand push" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand push" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand push" -l all-revs -d 'Versions that any commit of any branch or tag names'
complete -c mlx -n "__fish_mlx_using_subcommand push" -s n -l dry-run -d 'Say what would be sent or received, and do nothing'
complete -c mlx -n "__fish_mlx_using_subcommand push" -l repair -d 'Read everything on the remote, and send what is damaged there again'
complete -c mlx -n "__fish_mlx_using_subcommand push" -l all-runs -d 'What all runs made, too, and their logs'
complete -c mlx -n "__fish_mlx_using_subcommand push" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand push" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand push" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand pull" -s r -l remote -d 'Remote of the manifest; the only one, or `origin`, where none is given' -r
complete -c mlx -n "__fish_mlx_using_subcommand pull" -l rev -d 'Versions that this Git revision names' -r
complete -c mlx -n "__fish_mlx_using_subcommand pull" -s j -l jobs -d 'Files that are sent or received at once' -r
complete -c mlx -n "__fish_mlx_using_subcommand pull" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand pull" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand pull" -l all-revs -d 'Versions that any commit of any branch or tag names'
complete -c mlx -n "__fish_mlx_using_subcommand pull" -s n -l dry-run -d 'Say what would be sent or received, and do nothing'
complete -c mlx -n "__fish_mlx_using_subcommand pull" -l repair -d 'Read what is in the store, and fetch what is damaged or missing there again'
complete -c mlx -n "__fish_mlx_using_subcommand pull" -s f -l force -d 'Overwrite local changes that are in no store'
complete -c mlx -n "__fish_mlx_using_subcommand pull" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand pull" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand pull" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand pull" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -s r -l remote -d 'Remote of the manifest; the only one, or `origin`, where none is given' -r
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -l rev -d 'Versions that this Git revision names' -r
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -s j -l jobs -d 'Files that are sent or received at once' -r
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -l runs -d 'What these runs made, too, and their logs: names, ids, unique beginnings of these, or `latest`' -r
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -l all-revs -d 'Versions that any commit of any branch or tag names'
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -s n -l dry-run -d 'Say what would be sent or received, and do nothing'
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -l all-runs -d 'What all runs made, too, and their logs'
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand fetch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and not __fish_seen_subcommand_from add list remove test help" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand remote; and not __fish_seen_subcommand_from add list remove test help" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand remote; and not __fish_seen_subcommand_from add list remove test help" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and not __fish_seen_subcommand_from add list remove test help" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and not __fish_seen_subcommand_from add list remove test help" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and not __fish_seen_subcommand_from add list remove test help" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and not __fish_seen_subcommand_from add list remove test help" -f -a "add" -d 'Name a remote in mlx.toml'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and not __fish_seen_subcommand_from add list remove test help" -f -a "list" -d 'List the remotes'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and not __fish_seen_subcommand_from add list remove test help" -f -a "remove" -d 'Take a remote out of mlx.toml'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and not __fish_seen_subcommand_from add list remove test help" -f -a "test" -d 'Try what a remote can do'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and not __fish_seen_subcommand_from add list remove test help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from add" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from add" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from add" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from list" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from list" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from list" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from remove" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from remove" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from remove" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from test" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from test" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from test" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from test" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from test" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from help" -f -a "add" -d 'Name a remote in mlx.toml'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the remotes'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Take a remote out of mlx.toml'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from help" -f -a "test" -d 'Try what a remote can do'
complete -c mlx -n "__fish_mlx_using_subcommand remote; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand import" -l rev -d 'Git revision of the repository; its default branch where none is given' -r
complete -c mlx -n "__fish_mlx_using_subcommand import" -s o -l output -d 'Where it goes; its own name, here, where nothing is said' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand import" -s j -l jobs -d 'Files that are received at once' -r
complete -c mlx -n "__fish_mlx_using_subcommand import" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand import" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand import" -s f -l force -d 'Overwrite what is there and in no store'
complete -c mlx -n "__fish_mlx_using_subcommand import" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand import" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand import" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand update" -s j -l jobs -d 'Files that are received at once' -r
complete -c mlx -n "__fish_mlx_using_subcommand update" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand update" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand update" -s n -l dry-run -d 'Say what is newer, and change nothing'
complete -c mlx -n "__fish_mlx_using_subcommand update" -l check -d 'As `--dry-run`, and end with exit code 4 where something is newer'
complete -c mlx -n "__fish_mlx_using_subcommand update" -s f -l force -d 'Give up changes that were made here'
complete -c mlx -n "__fish_mlx_using_subcommand update" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand update" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand update" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand get" -l rev -d 'Git revision of the repository; its default branch where none is given' -r
complete -c mlx -n "__fish_mlx_using_subcommand get" -s o -l output -d 'Where the copy goes; its own name, here, where nothing is said' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand get" -s j -l jobs -d 'Files that are received at once' -r
complete -c mlx -n "__fish_mlx_using_subcommand get" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand get" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand get" -s f -l force -d 'Replace a file that is there'
complete -c mlx -n "__fish_mlx_using_subcommand get" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand get" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand get" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand verify" -l remote -d 'Check a remote of the manifest: the only one, or `origin`, where no name is given' -r
complete -c mlx -n "__fish_mlx_using_subcommand verify" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand verify" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand verify" -l all-revs -d 'Whether all that any commit of any branch or tag names is on the remote'
complete -c mlx -n "__fish_mlx_using_subcommand verify" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand verify" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand verify" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand gc" -l grace -d 'Keep objects that are younger than this, such as 30m, 12h or 7d' -r
complete -c mlx -n "__fish_mlx_using_subcommand gc" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand gc" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand gc" -s y -l yes -d 'Remove them'
complete -c mlx -n "__fish_mlx_using_subcommand gc" -l drop-history -d 'Keep of Git\'s history only what branches and tags point at'
complete -c mlx -n "__fish_mlx_using_subcommand gc" -l forget-missing -d 'Take no more notice of projects that used the store and are not there any more'
complete -c mlx -n "__fish_mlx_using_subcommand gc" -l quarantine -d 'Remove damaged files that `mlx verify` and `mlx pull --repair` put aside, too'
complete -c mlx -n "__fish_mlx_using_subcommand gc" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand gc" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand gc" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand gc" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand cache" -l unused -d 'Remove those that nobody used for so many days' -r
complete -c mlx -n "__fish_mlx_using_subcommand cache" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand cache" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand cache" -l adopt -d 'Bring objects from `.mlx/store` over to the store that the settings name'
complete -c mlx -n "__fish_mlx_using_subcommand cache" -l clean -d 'Remove releases and layers of images that nobody uses from the cache'
complete -c mlx -n "__fish_mlx_using_subcommand cache" -s n -l dry-run -d 'Show what would be removed, and remove nothing'
complete -c mlx -n "__fish_mlx_using_subcommand cache" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand cache" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand cache" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand cache" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand train" -l since -d 'Only steps that a change since this Git revision affects, and all that depend on them' -r
complete -c mlx -n "__fish_mlx_using_subcommand train" -l downstream -d 'Only this step and all that depend on it' -r
complete -c mlx -n "__fish_mlx_using_subcommand train" -l until -d 'Only this step and all that it needs' -r
complete -c mlx -n "__fish_mlx_using_subcommand train" -l manifests -d 'With --dry-run: write the Jobs that Kubernetes would be given now into this directory, to be looked at' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand train" -s j -l jobs -d 'Take at most so many processors [default: all]' -r
complete -c mlx -n "__fish_mlx_using_subcommand train" -l executor -d 'Carry out every step there: a name of `[executor]`, or `local`' -r
complete -c mlx -n "__fish_mlx_using_subcommand train" -l set -d 'Set a parameter for this run' -r
complete -c mlx -n "__fish_mlx_using_subcommand train" -l name -d 'Give the run a name, by which it is found wherever a run is taken' -r
complete -c mlx -n "__fish_mlx_using_subcommand train" -l tag -d 'Give the run a tag; more than once for several' -r
complete -c mlx -n "__fish_mlx_using_subcommand train" -l note -d 'Say what the run is for' -r
complete -c mlx -n "__fish_mlx_using_subcommand train" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand train" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand train" -s n -l dry-run -d 'Show what would be done and why, and do nothing'
complete -c mlx -n "__fish_mlx_using_subcommand train" -s f -l force -d 'Run the named steps (every step where none is named) even if they are up to date, and replace outputs that were changed by hand'
complete -c mlx -n "__fish_mlx_using_subcommand train" -s k -l keep-going -d 'After a failure, go on with the steps that do not depend on it'
complete -c mlx -n "__fish_mlx_using_subcommand train" -l locked -d 'Fail if any step is out of date, and run nothing; for checks in CI'
complete -c mlx -n "__fish_mlx_using_subcommand train" -l cancel-on-exit -d 'When interrupted, end the jobs on executors instead of leaving them to themselves; for CI'
complete -c mlx -n "__fish_mlx_using_subcommand train" -l pull -d 'Ask the remote first what others have made since, to restore that instead of making it again'
complete -c mlx -n "__fish_mlx_using_subcommand train" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand train" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand train" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand train" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l set -d 'Try these values of a parameter' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l strategy -d 'How the values of the next trial are chosen [default: grid where all values can be counted, else random]' -r -f -a "grid\t''
list\t''
random\t''
sobol\t''
tpe\t''
asha\t''"
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l sampler -d 'What chooses the trials that asha stops early [default: random]' -r -f -a "grid\t''
list\t''
random\t''
sobol\t''
tpe\t''
asha\t''"
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l trials -d 'How many trials there are; with --resume, how many there are in the end' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l parallel -d 'Run so many trials at once; they share the processors [default: 1]' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l seed -d 'The same seed gives the same trials [default: 0]' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l metric -d 'Compare the trials by this metric' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l goal -d 'Which end of the metric is the good one [default: max]' -r -f -a "max\t''
min\t''"
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l min-resource -d 'The first step of the metric at which asha may stop a trial [default: 1]' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l max-resource -d 'The last step of the metric at which asha may stop a trial' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l reduction -d 'Let one trial of so many go on at each of these points [default: 4]' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -s j -l jobs -d 'Let all trials together take at most so many processors [default: all]' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l executor -d 'Carry out every step of the trials there: a name of `[executor]`, or `local`. There, --jobs has no say, and --parallel may be as large as the cluster' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l svg -d 'Write a plot of the trials to this file when they are over' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l resume -d 'Go on with a sweep that was interrupted, killed, or is to have more trials'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l retry-failed -d 'With --resume: let trials that failed begin again'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -s f -l force -d 'Begin a sweep anew; with --resume, go on whatever was changed since it began'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l fail-fast -d 'End with the first trial that fails'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l keep -d 'Leave the working copies of trials in .mlx/sweeps/NAME/trials'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -a "show" -d 'Show the trials of a sweep, the best first'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -a "list" -d 'List the sweeps that were begun'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -a "apply" -d 'Write the parameters of a trial to mlx.toml, or to the files that hold them'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -a "rm" -d 'Remove a sweep; the runs of its trials stay'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and not __fish_seen_subcommand_from show list apply rm help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from show" -l metric -d 'Compare the trials by this metric instead' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from show" -l goal -d 'Which end of the metric is the good one' -r -f -a "max\t''
min\t''"
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from show" -l limit -d 'Show at most so many trials' -r
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from show" -l svg -d 'Write a plot of the trials to this file: parallel coordinates, as SVG' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from show" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from show" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from show" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from list" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from list" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from list" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from apply" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from apply" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from apply" -s n -l dry-run -d 'Show what would be written, and write nothing'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from apply" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from apply" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from apply" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from rm" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from rm" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from rm" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show the trials of a sweep, the best first'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the sweeps that were begun'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from help" -f -a "apply" -d 'Write the parameters of a trial to mlx.toml, or to the files that hold them'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from help" -f -a "rm" -d 'Remove a sweep; the runs of its trials stay'
complete -c mlx -n "__fish_mlx_using_subcommand sweep; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand exec-step" -l remote -d 'The remote by which the job\'s files come and go' -r
complete -c mlx -n "__fish_mlx_using_subcommand exec-step" -l remote-name -d 'The name by which the environment says more of it' -r
complete -c mlx -n "__fish_mlx_using_subcommand exec-step" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand exec-step" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand exec-step" -l watched -d 'Where the engine kills no more than the group of this process: end the steps\' programs all the same'
complete -c mlx -n "__fish_mlx_using_subcommand exec-step" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand exec-step" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand exec-step" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand exec-step" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand guard" -l job -d 'The name of a job, whose programs are meant' -r
complete -c mlx -n "__fish_mlx_using_subcommand guard" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand guard" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand guard" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand guard" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand guard" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand guard" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand dag" -l since -d 'Only steps that a change since this Git revision affects, and all that depend on them' -r
complete -c mlx -n "__fish_mlx_using_subcommand dag" -l downstream -d 'Only this step and all that depend on it' -r
complete -c mlx -n "__fish_mlx_using_subcommand dag" -l until -d 'Only this step and all that it needs' -r
complete -c mlx -n "__fish_mlx_using_subcommand dag" -l format -d 'How it is drawn [default: what the ending of the output says, else text]' -r -f -a "text\t''
mermaid\t''
svg\t''"
complete -c mlx -n "__fish_mlx_using_subcommand dag" -s o -l output -d 'Write it to this file' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand dag" -l set -d 'Set a parameter, as for `mlx train`' -r
complete -c mlx -n "__fish_mlx_using_subcommand dag" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand dag" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand dag" -l all -d 'Show every step of a large group'
complete -c mlx -n "__fish_mlx_using_subcommand dag" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand dag" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand dag" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand dag" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand explain" -l set -d 'Set a parameter, as for `mlx train`' -r
complete -c mlx -n "__fish_mlx_using_subcommand explain" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand explain" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand explain" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand explain" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand explain" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -f -a "show" -d 'Show what a step runs in'
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -f -a "shell" -d 'Run a shell or a program in the environment of a step'
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -f -a "lock" -d 'Write down which versions the environments hold'
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -f -a "list" -d 'List the environments in the cache, which all projects of the user share'
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -f -a "rm" -d 'Remove environments from the cache'
complete -c mlx -n "__fish_mlx_using_subcommand env; and not __fish_seen_subcommand_from show shell lock list rm help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from show" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from show" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from show" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from shell" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from shell" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from shell" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from shell" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from shell" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from shell" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from lock" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from lock" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from lock" -l update -d 'Take the newest versions that fit, instead of those in the lock file'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from lock" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from lock" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from lock" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from lock" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from list" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from list" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from list" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from rm" -l unused -d 'Remove those that nobody used for so many days' -r
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from rm" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from rm" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from rm" -s n -l dry-run -d 'Show what would be removed, and remove nothing'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from rm" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show what a step runs in'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from help" -f -a "shell" -d 'Run a shell or a program in the environment of a step'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from help" -f -a "lock" -d 'Write down which versions the environments hold'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the environments in the cache, which all projects of the user share'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from help" -f -a "rm" -d 'Remove environments from the cache'
complete -c mlx -n "__fish_mlx_using_subcommand env; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -l limit -d 'List at most so many' -r
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -l status -d 'List only those that ended, or go on, this way' -r -f -a "running\t''
finished\t''
failed\t''
interrupted\t''"
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -l tag -d 'List only those with this tag; more than once for all of several' -r
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -l sort -d 'Put them in order by a metric, a parameter that is a number, `duration` or `started`, the highest first' -r
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -l ascending -d 'The lowest first'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -f -a "list" -d 'List the runs'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -f -a "show" -d 'Show everything that is known of a run'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -f -a "name" -d 'Give a run a name'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -f -a "tag" -d 'Give runs tags, or take them away'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -f -a "note" -d 'Note something about a run'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -f -a "restore" -d 'Bring a run back to the working tree'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -f -a "export" -d 'Export runs as JSON or CSV'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -f -a "rm" -d 'Take runs away'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and not __fish_seen_subcommand_from list show name tag note restore export rm help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from list" -l limit -d 'List at most so many' -r
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from list" -l status -d 'List only those that ended, or go on, this way' -r -f -a "running\t''
finished\t''
failed\t''
interrupted\t''"
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from list" -l tag -d 'List only those with this tag; more than once for all of several' -r
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from list" -l sort -d 'Put them in order by a metric, a parameter that is a number, `duration` or `started`, the highest first' -r
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from list" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from list" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from list" -l ascending -d 'The lowest first'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from list" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from show" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from show" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from show" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from name" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from name" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from name" -l remove -d 'Take the name from it'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from name" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from name" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from name" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from name" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from tag" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from tag" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from tag" -l remove -d 'Take these tags away'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from tag" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from tag" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from tag" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from note" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from note" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from note" -l remove -d 'Take the note away'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from note" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from note" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from note" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from note" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from restore" -l only -d 'Bring back only this part; more than once for several' -r -f -a "outputs\t''
params\t''
code\t''"
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from restore" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from restore" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from restore" -s n -l dry-run -d 'Say what would be done, and do nothing'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from restore" -s f -l force -d 'Overwrite local changes that are in no store and in no commit'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from restore" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from restore" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from restore" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from export" -l tag -d 'Only those with this tag' -r
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from export" -l format -d 'What is written [default: what the ending of the output says, else json]' -r -f -a "json\t''
csv\t''"
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from export" -s o -l output -d 'Write it to this file' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from export" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from export" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from export" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from rm" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from rm" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from rm" -s n -l dry-run -d 'Say what would go, and do nothing'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from rm" -s f -l force -d 'Take them away even where a version of a model comes from one'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from rm" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the runs'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show everything that is known of a run'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "name" -d 'Give a run a name'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "tag" -d 'Give runs tags, or take them away'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "note" -d 'Note something about a run'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "restore" -d 'Bring a run back to the working tree'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "export" -d 'Export runs as JSON or CSV'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "rm" -d 'Take runs away'
complete -c mlx -n "__fish_mlx_using_subcommand runs; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand compare" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand compare" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand compare" -l diff -d 'Show how the code differs, as a patch'
complete -c mlx -n "__fish_mlx_using_subcommand compare" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand compare" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand compare" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand logs" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand logs" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand logs" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand logs" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand logs" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "register" -d 'Make a version of a model'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "list" -d 'List the versions of models'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "show" -d 'Show a version of a model and where it comes from'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "card" -d 'Show the card of a model, or begin one of your own'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "history" -d 'Show everything that was done with the versions of a model'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "promote" -d 'Move an alias to a version of a model'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "demote" -d 'Take an alias away from the version that holds it'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "tag" -d 'Give a version tags, or take them away'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "describe" -d 'Say what a version is, in place of what was said before'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "archive" -d 'Put a version out of use'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "restore" -d 'Take an archived version into use again'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "rm" -d 'Give a version up for good'
complete -c mlx -n "__fish_mlx_using_subcommand model; and not __fish_seen_subcommand_from register list show card history promote demote tag describe archive restore rm help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from register" -l run -d 'Take the model that this run made: a name, an id, a unique beginning of one, or `latest`' -r
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from register" -l description -d 'What is worth knowing about this version' -r
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from register" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from register" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from register" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from register" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from register" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from register" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from list" -l tag -d 'Versions with this tag' -r
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from list" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from list" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from list" -l all -d 'Archived versions, too'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from list" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from show" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from show" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from show" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from card" -s o -l output -d 'File to write instead of standard output; one that is there is kept' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from card" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from card" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from card" -l template -d 'Give a card to write on, in which sections are named and not filled in'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from card" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from card" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from card" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from card" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from history" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from history" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from history" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from history" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from history" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from promote" -l why -d 'Why, for the history' -r
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from promote" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from promote" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from promote" -s f -l force -d 'Promote even where gates say no; the history keeps which'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from promote" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from promote" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from promote" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from promote" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from demote" -l why -d 'Why, for the history' -r
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from demote" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from demote" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from demote" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from demote" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from demote" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from demote" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from tag" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from tag" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from tag" -l remove -d 'Take these tags away'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from tag" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from tag" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from tag" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from describe" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from describe" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from describe" -l remove -d 'Take the description away'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from describe" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from describe" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from describe" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from describe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from archive" -l why -d 'Why, for the history' -r
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from archive" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from archive" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from archive" -s f -l force -d 'Do it even where a target has it live, or can\'t be asked'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from archive" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from archive" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from archive" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from archive" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from restore" -l why -d 'Why, for the history' -r
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from restore" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from restore" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from restore" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from restore" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from restore" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from rm" -l why -d 'Why, for the history' -r
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from rm" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from rm" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from rm" -s f -l force -d 'Do it even where a target has it live, or can\'t be asked'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from rm" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "register" -d 'Make a version of a model'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the versions of models'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show a version of a model and where it comes from'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "card" -d 'Show the card of a model, or begin one of your own'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "history" -d 'Show everything that was done with the versions of a model'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "promote" -d 'Move an alias to a version of a model'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "demote" -d 'Take an alias away from the version that holds it'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "tag" -d 'Give a version tags, or take them away'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "describe" -d 'Say what a version is, in place of what was said before'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "archive" -d 'Put a version out of use'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "restore" -d 'Take an archived version into use again'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "rm" -d 'Give a version up for good'
complete -c mlx -n "__fish_mlx_using_subcommand model; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand lineage" -l format -d 'How it is drawn [default: what the ending of the output says, else text]' -r -f -a "text\t''
svg\t''"
complete -c mlx -n "__fish_mlx_using_subcommand lineage" -s o -l output -d 'Write it to this file' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand lineage" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand lineage" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand lineage" -l no-targets -d 'Leave out what lies on targets, and ask none of them; they are asked only where it could lie there, and not for long'
complete -c mlx -n "__fish_mlx_using_subcommand lineage" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand lineage" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand lineage" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand lineage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand package" -s o -l output -d 'File to write [default: dist/MODEL-VERSION.tar]' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand package" -l onnxruntime -d 'ONNX Runtime library to pack instead of the one in the project\'s environment' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand package" -l sign -d 'Sign the bundle with this private key (P-256, PEM)' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand package" -l base -d 'What the image is built on: an image in a registry, an archive of one, or a root file system with a C library [default: `image.base` of the model]' -r
complete -c mlx -n "__fish_mlx_using_subcommand package" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand package" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand package" -l image -d 'Build a runnable image beside it: the bundle and mlx on a base, as an archive that podman, docker and skopeo take'
complete -c mlx -n "__fish_mlx_using_subcommand package" -s n -l dry-run -d 'Show what the bundle would hold, and write nothing'
complete -c mlx -n "__fish_mlx_using_subcommand package" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand package" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand package" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand package" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -f -a "inspect" -d 'Show what a bundle holds'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -f -a "verify" -d 'Check a bundle against its digests'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -f -a "sign" -d 'Sign a bundle'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -f -a "scan" -d 'Look for pickles that do more than hold a model'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -f -a "unpack" -d 'Unpack a bundle into a directory'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -f -a "diff" -d 'Show what differs between two bundles'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and not __fish_seen_subcommand_from inspect verify sign scan unpack diff help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from inspect" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from inspect" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from inspect" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from inspect" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from inspect" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from verify" -l key -d 'Public key of who must have signed it' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from verify" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from verify" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from verify" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from sign" -l key -d 'Private key to sign with' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from sign" -l signature -d 'Take this signature, which `model_signing` made of the unpacked bundle' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from sign" -s o -l output -d 'File to write [default: the bundle\'s own]' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from sign" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from sign" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from sign" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from sign" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from sign" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from sign" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from scan" -l allow -d 'Global that is known to you: `package.module.Class`, or `package.*` for all below' -r
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from scan" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from scan" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from scan" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from scan" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from scan" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from scan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from unpack" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from unpack" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from unpack" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from unpack" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from unpack" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from unpack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from diff" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from diff" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from diff" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from diff" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from diff" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "inspect" -d 'Show what a bundle holds'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check a bundle against its digests'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "sign" -d 'Sign a bundle'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "scan" -d 'Look for pickles that do more than hold a model'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "unpack" -d 'Unpack a bundle into a directory'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "diff" -d 'Show what differs between two bundles'
complete -c mlx -n "__fish_mlx_using_subcommand bundle; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -l bundle -d 'Deploy this bundle, as `mlx package` wrote it' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -l sign -d 'Sign what is packaged with this private key (P-256, PEM)' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -l manifests -d 'Of a cluster: write what is to be applied there into this directory instead, and ask the cluster nothing; contents and image are sent to the registry, unless `--plan` is given too. A file that was written there for an object which the target has no more is removed' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -l canary -d 'Have it answer a part of the requests beside the live release, on servers that follow the target' -r
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -s n -l plan -l dry-run -d 'Show what would change, and change nothing; with `--manifests`, write them and send nothing. Where the target requires a signature, the plan needs no key and says which one deploying needs'
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -l promote -d 'Make the canary the live release'
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand deploy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand rollback" -l to -d 'Go to this release: its digest or the first digits of it, as `mlx releases` shows them' -r
complete -c mlx -n "__fish_mlx_using_subcommand rollback" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand rollback" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand rollback" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand rollback" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand rollback" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand releases" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand releases" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand releases" -l history -d 'Show everything that was done on the target instead, what failed included'
complete -c mlx -n "__fish_mlx_using_subcommand releases" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand releases" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand releases" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand releases" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand target; and not __fish_seen_subcommand_from list test help" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand target; and not __fish_seen_subcommand_from list test help" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand target; and not __fish_seen_subcommand_from list test help" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand target; and not __fish_seen_subcommand_from list test help" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand target; and not __fish_seen_subcommand_from list test help" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand target; and not __fish_seen_subcommand_from list test help" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand target; and not __fish_seen_subcommand_from list test help" -f -a "list" -d 'List the targets'
complete -c mlx -n "__fish_mlx_using_subcommand target; and not __fish_seen_subcommand_from list test help" -f -a "test" -d 'Try what a target can do'
complete -c mlx -n "__fish_mlx_using_subcommand target; and not __fish_seen_subcommand_from list test help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from list" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from list" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from list" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from test" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from test" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from test" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from test" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from test" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the targets'
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from help" -f -a "test" -d 'Try what a target can do'
complete -c mlx -n "__fish_mlx_using_subcommand target; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l every -d 'How often targets that are followed are asked what is live, in seconds' -r
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l host -d 'Address to listen on; 0.0.0.0 lets other machines in' -r
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l port -d 'Port to listen on; 0 takes any that is free' -r
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l model-name -d 'Name that the model answers to, instead of its own' -r
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l workers -d 'Requests answered at once, each with its copy of the model [default: by processors and size of the model]' -r
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l threads -d 'Threads that work on one request [default: by processors and size of the model]' -r
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l timeout -d 'Longest time a request may wait and be worked on, in seconds' -r
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l memory -d 'Memory that a process of a model in Python may use before another takes its place, in MiB [default: any]' -r
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l max-batch -d 'Rows that are asked together where requests come at once [default: requests are asked one by one]' -r
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l max-delay -d 'Longest time that a request waits for others that are on their way, in milliseconds' -r
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l token-file -d 'File with the tokens that let a client in, one a line [default: MLX_SERVE_TOKEN, else everybody may ask]' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l tls-cert -d 'File with the certificates for TLS, in PEM' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l tls-key -d 'File with the key of the first certificate, in PEM' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l access-log -d 'File that a line of JSON about each request is added to; `-` for standard output' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l key -d 'Public key of who must have signed what is served' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l max-body -d 'Largest request body, in MiB' -r
complete -c mlx -n "__fish_mlx_using_subcommand serve" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l follow -d 'Take over what becomes live on the targets while the server runs'
complete -c mlx -n "__fish_mlx_using_subcommand serve" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand serve" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand serve" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand predict" -s i -l input -d 'File with the rows; `-` for standard input' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand predict" -l format -d 'Format of the rows [default: by the file\'s name, else by its first character]' -r -f -a "csv\t''
json\t''"
complete -c mlx -n "__fish_mlx_using_subcommand predict" -l model -d 'Model to ask, where the server has several' -r
complete -c mlx -n "__fish_mlx_using_subcommand predict" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand predict" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand predict" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand predict" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand predict" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand predict" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand doctor" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand doctor" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand doctor" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand doctor" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand doctor" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand completions" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand completions" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand completions" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand completions" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand completions" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand man" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand man" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand man" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand man" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand man" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand man" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand merge-lock" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand merge-lock" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand merge-lock" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand merge-lock" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand merge-lock" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand merge-lock" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and not __fish_seen_subcommand_from pre-push help" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand hook; and not __fish_seen_subcommand_from pre-push help" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand hook; and not __fish_seen_subcommand_from pre-push help" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and not __fish_seen_subcommand_from pre-push help" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and not __fish_seen_subcommand_from pre-push help" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and not __fish_seen_subcommand_from pre-push help" -s h -l help -d 'Print help'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and not __fish_seen_subcommand_from pre-push help" -f -a "pre-push" -d 'Warn where data of pushed commits is on no remote'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and not __fish_seen_subcommand_from pre-push help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and __fish_seen_subcommand_from pre-push" -s C -l directory -d 'Work as if started in this directory' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand hook; and __fish_seen_subcommand_from pre-push" -l events -d 'Write what happens on the way to this file, one JSON object a line' -r -F
complete -c mlx -n "__fish_mlx_using_subcommand hook; and __fish_seen_subcommand_from pre-push" -l block -d 'Stop the push instead of warning'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and __fish_seen_subcommand_from pre-push" -l json -d 'Print the result as one JSON document'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and __fish_seen_subcommand_from pre-push" -s q -l quiet -d 'Print the result and errors only'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and __fish_seen_subcommand_from pre-push" -s v -l verbose -d 'Say more about what is being done'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and __fish_seen_subcommand_from pre-push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and __fish_seen_subcommand_from help" -f -a "pre-push" -d 'Warn where data of pushed commits is on no remote'
complete -c mlx -n "__fish_mlx_using_subcommand hook; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "init" -d 'Start a project'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "add" -d 'Version files and directories'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "untrack" -d 'Stop versioning files and directories; they stay where they are'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "status" -d 'Show how data and outputs differ from `mlx.lock`'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "diff" -d 'Show which files differ between two versions of the data'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "ls" -d 'List what is tracked, in any version'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "cat" -d 'Print a file as a version of the data has it'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "checkout" -d 'Bring data and outputs back as `mlx.lock` names them'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "push" -d 'Send data and outputs to a remote'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "pull" -d 'Bring data and outputs from a remote into the working tree'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "fetch" -d 'Bring data and outputs from a remote into the store'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "remote" -d 'Name, list, test and remove remotes'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "import" -d 'Bring data from another project, a Git repository or a URL, and track it with its origin'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "update" -d 'Bring what is newer at the sources of imported data'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "get" -d 'Copy data from another project, a Git repository or a URL, without tracking it'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "verify" -d 'Check every object that the project needs'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "gc" -d 'Find objects that nothing names, and remove them with `--yes`'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "cache" -d 'Show what takes room in the store and in the user\'s cache'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "train" -d 'Run the steps of the pipeline that are not up to date'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "sweep" -d 'Try the pipeline with other parameters, and find good ones'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "exec-step" -d 'Carry out the steps of one element of a job, for executors'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "guard" -d 'End the programs of a run once nobody holds the other end of standard input, for `mlx train`'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "dag" -d 'Show the steps of the pipeline, what connects them, and the state of each'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "explain" -d 'Explain why a step would run or would not'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "env" -d 'Show, enter, lock and remove the environments of steps'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "runs" -d 'List the runs, and do things with them'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "compare" -d 'Compare runs'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "logs" -d 'Print what the steps of a run printed'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "model" -d 'Register, list, show, describe and promote models'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "lineage" -d 'Show what something was made from, and what was made of it'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "package" -d 'Package a version of a model into one file'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "bundle" -d 'Inspect, compare, verify, scan, sign and unpack bundles'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "deploy" -d 'Deploy a version of a model to a target'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "rollback" -d 'Go back to the release that was live before'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "releases" -d 'List the releases on a target'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "target" -d 'List and test targets'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "serve" -d 'Answer inference requests over HTTP'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "predict" -d 'Ask a model'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "doctor" -d 'Look at this machine and this project'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "completions" -d 'Print the completions of a shell'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "man" -d 'Write the man pages into a directory'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "merge-lock" -d 'Merge two versions of `mlx.lock`, for Git'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "hook" -d 'What Git\'s hooks call'
complete -c mlx -n "__fish_mlx_using_subcommand help; and not __fish_seen_subcommand_from init add untrack status diff ls cat checkout push pull fetch remote import update get verify gc cache train sweep exec-step guard dag explain env runs compare logs model lineage package bundle deploy rollback releases target serve predict doctor completions man merge-lock hook help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from remote" -f -a "add" -d 'Name a remote in mlx.toml'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from remote" -f -a "list" -d 'List the remotes'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from remote" -f -a "remove" -d 'Take a remote out of mlx.toml'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from remote" -f -a "test" -d 'Try what a remote can do'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from sweep" -f -a "show" -d 'Show the trials of a sweep, the best first'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from sweep" -f -a "list" -d 'List the sweeps that were begun'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from sweep" -f -a "apply" -d 'Write the parameters of a trial to mlx.toml, or to the files that hold them'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from sweep" -f -a "rm" -d 'Remove a sweep; the runs of its trials stay'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from env" -f -a "show" -d 'Show what a step runs in'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from env" -f -a "shell" -d 'Run a shell or a program in the environment of a step'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from env" -f -a "lock" -d 'Write down which versions the environments hold'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from env" -f -a "list" -d 'List the environments in the cache, which all projects of the user share'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from env" -f -a "rm" -d 'Remove environments from the cache'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "list" -d 'List the runs'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "show" -d 'Show everything that is known of a run'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "name" -d 'Give a run a name'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "tag" -d 'Give runs tags, or take them away'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "note" -d 'Note something about a run'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "restore" -d 'Bring a run back to the working tree'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "export" -d 'Export runs as JSON or CSV'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from runs" -f -a "rm" -d 'Take runs away'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "register" -d 'Make a version of a model'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "list" -d 'List the versions of models'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "show" -d 'Show a version of a model and where it comes from'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "card" -d 'Show the card of a model, or begin one of your own'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "history" -d 'Show everything that was done with the versions of a model'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "promote" -d 'Move an alias to a version of a model'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "demote" -d 'Take an alias away from the version that holds it'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "tag" -d 'Give a version tags, or take them away'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "describe" -d 'Say what a version is, in place of what was said before'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "archive" -d 'Put a version out of use'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "restore" -d 'Take an archived version into use again'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from model" -f -a "rm" -d 'Give a version up for good'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from bundle" -f -a "inspect" -d 'Show what a bundle holds'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from bundle" -f -a "verify" -d 'Check a bundle against its digests'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from bundle" -f -a "sign" -d 'Sign a bundle'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from bundle" -f -a "scan" -d 'Look for pickles that do more than hold a model'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from bundle" -f -a "unpack" -d 'Unpack a bundle into a directory'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from bundle" -f -a "diff" -d 'Show what differs between two bundles'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from target" -f -a "list" -d 'List the targets'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from target" -f -a "test" -d 'Try what a target can do'
complete -c mlx -n "__fish_mlx_using_subcommand help; and __fish_seen_subcommand_from hook" -f -a "pre-push" -d 'Warn where data of pushed commits is on no remote'
