import { NodeFileSystem } from "@effect-oci/store-files"

/** A call of the file system. The path is relative to the directory of the store. */
export interface Call {
  readonly name: string
  readonly path: string
  readonly to?: string
}

const reading: ReadonlySet<string> = new Set(["readv", "stat", "readdir", "freeBytes", "close"])

/**
 * Records the calls of a file system. `fault` is called before each call, with its number, and returns the error with
 * which the call fails instead.
 */
export class RecordedFileSystem implements NodeFileSystem.FileSystem {
  readonly calls: Array<Call> = []
  /** The number of files that are open. */
  opened = 0
  fault: (call: Call, index: number) => string | undefined = () => undefined

  constructor(
    private readonly directory: string,
    private readonly system: NodeFileSystem.FileSystem = NodeFileSystem.node
  ) {}

  /** The calls that change something or wait for the disk, as text. */
  get changes(): ReadonlyArray<string> {
    return this.calls.filter(({ name }) => !reading.has(name) && name !== "open").map(({ name, path, to }) =>
      [name, path, ...(to === undefined ? [] : [to])].join(" ")
    )
  }

  private async call<A>(name: string, path: string, f: () => Promise<A>, to?: string): Promise<A> {
    const relative = (path: string) => path.replace(this.directory, "").replace(/^\//, "") || "."
    const call = { name, path: relative(path), ...(to === undefined ? {} : { to: relative(to) }) }
    const code = this.fault(call, this.calls.length)
    this.calls.push(call)
    if (code !== undefined) throw Object.assign(new Error(`${code}: injected`), { code })
    return f()
  }

  open(path: string, flags: number, mode?: number): Promise<NodeFileSystem.File> {
    return this.call("open", path, async () => {
      const file = await this.system.open(path, flags, mode)
      this.opened++
      return {
        readv: (into, position) => this.call("readv", path, () => file.readv(into, position)),
        writev: (chunks, position) => this.call("writev", path, () => file.writev(chunks, position)),
        truncate: (size) => this.call("truncate", path, () => file.truncate(size)),
        datasync: () => this.call("datasync", path, () => file.datasync()),
        sync: () => this.call("sync", path, () => file.sync()),
        stat: () => this.call("stat", path, () => file.stat()),
        // A close that fails has closed the descriptor, as on Linux.
        close: async () => {
          this.opened--
          await file.close()
          await this.call("close", path, () => Promise.resolve())
        }
      }
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.call("rename", from, () => this.system.rename(from, to), to)
  }

  unlink(path: string): Promise<void> {
    return this.call("unlink", path, () => this.system.unlink(path))
  }

  mkdir(path: string, mode?: number): Promise<void> {
    return this.call("mkdir", path, () => this.system.mkdir(path, mode))
  }

  readdir(path: string): Promise<ReadonlyArray<string>> {
    return this.call("readdir", path, () => this.system.readdir(path))
  }

  stat(path: string): Promise<NodeFileSystem.Stat> {
    return this.call("stat", path, () => this.system.stat(path))
  }

  freeBytes(path: string): Promise<number> {
    return this.call("freeBytes", path, () => this.system.freeBytes(path))
  }
}
