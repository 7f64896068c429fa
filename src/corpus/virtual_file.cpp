#include "virtual_file.hpp"

#include <terramill/core/file.hpp>
#include <terramill/core/hdf5.hpp>

namespace terramill::corpus {
namespace {

class VirtualFile {
 public:
  VirtualFile(const std::filesystem::path& path, const std::filesystem::path& corpus,
              const Manifest& manifest)
      : manifest_(manifest),
        corpus_(std::filesystem::canonical(corpus)),
        model_(h5::open_file(shard_path(corpus_, 0))),
        file_(h5::create_file(path)) {}

  void add(const std::string& name) {
    const std::string subject = name + " of a view";
    const h5::Handle model(H5Dopen2(model_, name.c_str(), H5P_DEFAULT), "open a dataset", subject);
    const h5::Handle type(H5Dget_type(model), "read a type", subject);
    std::vector<hsize_t> shape = h5::shape_of(model_, name), start(shape.size(), 0);
    const h5::Handle properties = h5::dataset_properties();
    shape[0] = manifest_.tiles;
    const h5::Handle space = space_of(shape);
    for (std::uint64_t shard = 0; shard < manifest_.shards.size(); ++shard) {
      shape[0] = manifest_.shards[shard].tiles;
      if (shape[0] == 0) continue;
      h5::check(H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, shape.data(), nullptr),
                "select rows", subject);
      h5::check(H5Pset_virtual(properties, space, shard_path(corpus_, shard).c_str(), name.c_str(),
                               space_of(shape)),
                "map a shard", subject);
      start[0] += shape[0];
    }
    h5::check(H5Sselect_all(space), "select rows", subject);
    h5::Handle dataset(H5Dcreate2(file_, name.c_str(), type, space, H5P_DEFAULT, properties, H5P_DEFAULT),
                       "create a virtual dataset", subject);
    dataset.reset();
  }

  void close() { file_.reset(); }

 private:
  static h5::Handle space_of(const std::vector<hsize_t>& shape) {
    return {H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), "describe a shape",
            "a view"};
  }

  const Manifest& manifest_;
  std::filesystem::path corpus_;
  h5::Handle model_, file_;
};

}  // namespace

void write_virtual_file(const std::filesystem::path& path, const std::filesystem::path& corpus,
                        const Manifest& manifest) {
  const h5::Lock lock(h5::mutex());
  VirtualFile file(temporary_name(path), corpus, manifest);
  for (const Modality& modality : manifest.schema.modalities) file.add(modality.name);
  file.add("metadata");
  file.close();
  publish(temporary_name(path), path);
}

}  // namespace terramill::corpus
