#include <terramill/loader/loader.hpp>

namespace terramill::loader {

void add_options(OptionTable& table, LoaderOptions& options, const std::string& prefix) {
  table.add(prefix + "threads", &options.threads, "worker threads that read, check, decode and normalise");
  table.add(prefix + "prefetch", &options.prefetch, "micro-batches read ahead", "micro-batches");
  table.add(prefix + "random_crop", &options.random_crop, "a random window per sample; otherwise the centre");
  table.add(prefix + "verify", &options.verify, "check the hash of every chunk");
  table.add(prefix + "max_bad_rate", &options.max_bad_rate,
            "unreadable tiles per position before the run stops; 0: none");
  table.add(prefix + "open_shards", &options.open_shards, "shards kept open", "shards");
  table.add(prefix + "nodata_mode", &options.nodata_mode,
            "how missing values are recognised: rightly, or as one of two versions of the reference", "",
            {"fixed", "v1", "legacy"});
}

}  // namespace terramill::loader
